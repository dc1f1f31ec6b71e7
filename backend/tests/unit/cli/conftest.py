"""A platform of a few lines: it answers what a test tells it to, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from click.testing import Result
from typer.testing import CliRunner


class Asked(NamedTuple):
    method: str
    path: str
    key: str | None
    body: Any


class FakePlatform(ThreadingHTTPServer):
    """`answers`: what to say to "GET /models": (status, content type, chunks of the body). `next_pages`: the
    header x-next that goes with it.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Asked] = []
        self.answers: dict[str, tuple[int, str, list[bytes]]] = {}
        self.next_pages: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, request: str, value: object, status: int = 200) -> None:
        self.answers[request] = (status, "application/json", [json.dumps(value).encode()])

    def stream(self, request: str, *events: object) -> None:
        frames = [b"data: %b\n\n" % json.dumps(event).encode() for event in events]
        self.answers[request] = (200, "text/event-stream", frames)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakePlatform

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append(Asked(self.command, self.path, self.headers.get("authorization"), body))
        missing = (404, "application/json", [b'{"error": {"message": "There is no such thing."}}'])
        status, kind, chunks = self.server.answers.get(f"{self.command} {self.path}", missing)
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        if (following := self.server.next_pages.get(f"{self.command} {self.path}")) is not None:
            self.send_header("x-next", following)
        self.send_header("connection", "close")
        self.end_headers()
        for chunk in chunks:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _running() -> Iterator[FakePlatform]:
    with FakePlatform() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with _running() as server:
        yield server


Command = Callable[..., Result]


@pytest.fixture
def command(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `llm-platform` with these arguments against the fake platform."""
    from app.cli.program import program

    monkeypatch.setenv("LLM_PLATFORM_URL", platform.url)
    monkeypatch.delenv("LLM_PLATFORM_API_KEY", raising=False)
    return lambda *arguments: CliRunner().invoke(program, list(arguments))
