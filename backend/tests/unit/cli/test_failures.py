"""What a person reads, and what a script sees, when the platform does not answer as it should."""

import socket
import threading

import pytest

from tests.unit.cli.conftest import Command, FakePlatform


@pytest.fixture
def deserted() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("arguments", [("models", "list"), ("models", "pull", "m"), ("integrations",)])
def test_nobody_there(command: Command, deserted: str, arguments: tuple[str, ...]) -> None:
    result = command(*arguments, "--url", deserted)
    assert result.exit_code == 3
    assert result.stderr == f"No platform answers at {deserted}: start one with `make run` or pass --url.\n"


@pytest.mark.parametrize(
    "url",
    ["ftp://nowhere", "ftp://nowhere:x", "http://", "http://127.0.0.1:abc", "127.0.0.1:99999", "http://[::1"],
)
def test_an_address_that_is_none(command: Command, url: str) -> None:
    result = command("models", "list", "--url", url)
    assert result.exit_code == 2
    assert "is no address such as" in result.stderr


def test_an_error_is_its_message(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /models", {"error": {"message": "Bad key.\x1b[31m"}}, status=401)
    result = command("models", "list")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Bad key.\N{REPLACEMENT CHARACTER}[31m\n")


@pytest.mark.parametrize("body", [{}, {"error": "no"}, [], {"error": {}}, None])
def test_an_error_of_somebody_else(platform: FakePlatform, command: Command, body: object) -> None:
    platform.answer("GET /models", body, status=500)
    result = command("models", "list")
    assert result.exit_code == 1
    assert result.stderr == f"{platform.url} answered with HTTP 500. Is it an LLM platform?\n"


@pytest.mark.parametrize("chunks", [[b"<html>"], [b""], [b"[" * 100_000]])
def test_an_answer_of_somebody_else(platform: FakePlatform, command: Command, chunks: list[bytes]) -> None:
    platform.answers["GET /models"] = (200, "text/html", chunks)
    result = command("models", "list")
    assert result.exit_code == 1
    assert result.stderr == f"{platform.url} does not answer as an LLM platform does.\n"


@pytest.mark.parametrize("answer", [[], {}, {"models": 3}, {"models": [{}]}, {"models": ["x"]}, None])
def test_an_answer_of_another_shape(platform: FakePlatform, command: Command, answer: object) -> None:
    platform.answer("GET /models", answer)
    result = command("models", "list")
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert result.stderr == f"{platform.url} does not answer as an LLM platform does.\n"


@pytest.mark.parametrize("head", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", b""])
def test_an_answer_that_breaks_off(command: Command, head: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(head)

        thread = threading.Thread(target=answer)
        thread.start()
        result = command("models", "list", "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert result.exit_code in {1, 3}
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 1
