"""What a caller may do wrong, and the status and error body that tells how to mend it."""

import json
import logging
from typing import Any

import pytest

from tests.rest.gateway import CHAT, gateway
from tests.servers.raw_client import ask, get, post, request_bytes

CHAT_PATH = "/v1/chat/completions"
MESSAGES = CHAT["messages"]


def chat(**fields: object) -> bytes:
    return json.dumps({**CHAT, **fields}).encode()


BAD = {
    "not JSON": (b"{", 400, None),
    "empty": (b"", 400, None),
    "an array": (b"[]", 400, None),
    "not UTF-8": (b'{"model": "\xff", "messages": []}', 400, None),
    "a NUL byte": (b'{"model": "model", "messages": [{"role": "user", "content": "\x00"}]}', 400, None),
    "no model": (json.dumps({"messages": MESSAGES}).encode(), 400, "model"),
    "model of a wrong type": (chat(model=7), 400, "model"),
    "an empty model": (chat(model=""), 400, "model"),
    "no messages": (b'{"model": "model"}', 400, "messages"),
    "empty messages": (chat(messages=[]), 400, "messages"),
    "messages of a wrong type": (chat(messages="hi"), 400, "messages"),
    "a role of a wrong type": (chat(messages=[{"role": 1}]), 400, "messages[0].role"),
    "stream of a wrong type": (chat(stream="yes"), 400, "stream"),
    "temperature of a wrong type": (chat(temperature="hot"), 400, "temperature"),
    "a key twice": (b'{"model": "model", "model": "other", "messages": [{"role": "user"}]}', 400, "model"),
    "an unknown model": (chat(model="nothing"), 404, "model"),
    "a path as model": (chat(model="../../etc/passwd"), 404, "model"),
    "a NUL in the model": (chat(model="a\x00b"), 400, "model"),
    "100,000 deep": (b'{"model": "model", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, None),
    "100,000 deep and cut": (b"[" * 100_000, 400, None),
    "65 deep in an unknown field": (chat(extra=json.loads("[" * 65 + "]" * 65)), 400, None),
    "too large": (b" " * (1 << 20) + b"{", 413, None),
}  # fmt: skip


def of_requests(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.name == "request"]


@pytest.mark.parametrize(("body", "status", "param"), BAD.values(), ids=BAD.keys())
async def test_a_bad_request_is_told_what_to_change(
    body: bytes, status: int, param: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with gateway() as platform:
        reply = await post(platform.port, CHAT_PATH, body)
        error = reply.json()["error"]
        assert (reply.status, error["type"], error["param"]) == (status, "invalid_request_error", param), error
        assert set(error) == {"message", "type", "param", "code"}
        assert len(error["message"]) > 10
        assert "Traceback" not in error["message"]
        told = [f"{record.request_id} {record.getMessage()}" for record in of_requests(caplog)]
        told += [record.id for record in platform.records]  # those that were calls
        [line] = [each for each in told if each.startswith(reply.headers["x-request-id"])]
        assert line == reply.headers["x-request-id"] or line.endswith(error["message"])
        assert platform.provider.exchanges == []


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/v1/models/nix", "/v1/health", "/integrations/status", "/nothing", "/v1/chat/completions"],
)
async def test_every_answer_tells_the_name_of_its_request(path: str) -> None:
    async with gateway() as platform:
        first, second = await get(platform.port, path), await get(platform.port, path, {"x-request-id": "mine"})
        assert first.headers["x-request-id"].startswith("req-")
        assert second.headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    "body", [chat(extra=json.loads("[" * 63 + "]" * 63)), chat(content="\\" * 500 + "[{" * 99)]
)
async def test_what_is_just_within_the_bounds_passes(body: bytes) -> None:
    async with gateway() as platform:
        assert (await post(platform.port, CHAT_PATH, body)).status == 200


async def test_a_chunked_body_is_counted_as_it_comes() -> None:
    head = f"POST {CHAT_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
    async with gateway() as platform:
        reply = await ask(platform.port, head + chunk * 5)
        assert reply.status == 413
        assert reply.headers["connection"] == "close"


LYING = {
    "chunk sizes that are no numbers": b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
    "chunks longer than told": b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}{}{}\r\n0\r\n\r\n",
    "a negative length": b"Content-Length: -5\r\n\r\n",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
}


@pytest.mark.parametrize("rest", LYING.values(), ids=LYING.keys())
async def test_http_that_lies_is_refused_with_an_error_body(rest: bytes) -> None:
    async with gateway() as platform:
        reply = await ask(platform.port, f"POST {CHAT_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode() + rest)
        assert reply.status == 400
        assert reply.json()["error"]["type"] == "invalid_request_error"


async def test_a_compressed_body_and_an_unknown_path_and_method() -> None:
    async with gateway() as platform:
        reply = await post(platform.port, CHAT_PATH, CHAT, {"Content-Encoding": "gzip"})
        assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
        reply = await post(platform.port, "/v1/nothing", {})
        assert (reply.status, reply.json()["error"]["code"]) == (404, "unknown_url")
        reply = await get(platform.port, CHAT_PATH)
        assert (reply.status, reply.json()["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("name", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "a/../../b", "x" * 4000])
async def test_a_model_name_in_a_path_reaches_no_file(name: str) -> None:
    async with gateway() as platform:
        reply = await get(platform.port, f"/v1/models/{name}")
        assert (reply.status, reply.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_request_id_is_kept_only_if_it_is_harmless() -> None:
    async with gateway() as platform:
        for given, kept in [("abc-123_X", True), ("a b", False), ("x" * 200, False), ("<script>", False)]:
            raw = request_bytes(CHAT_PATH, chat(), headers={"X-Request-Id": given})
            assert ((await ask(platform.port, raw)).headers["x-request-id"] == given) is kept


async def test_a_body_is_not_read_before_the_caller_is_known() -> None:
    """FastAPI would read and parse it first, whatever its size."""
    head = b"POST /models/pull HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with gateway(key="sk-test") as platform:
        assert (await ask(platform.port, head + b"5\r\nhello\r\n")).status == 401
        authorised = head.replace(b"Host:", b"x-api-key: sk-test\r\nHost:")
        assert (await ask(platform.port, authorised + (b"40000\r\n" + b" " * 0x40000 + b"\r\n") * 5)).status == 413


@pytest.mark.parametrize(
    ("body", "param"), [({}, "model"), ({"model": 5}, "model"), ({"model": "m", "x": 1}, "x"), (b"[[", None)]
)
async def test_a_bad_body_of_the_platforms_own_routes(body: object, param: str | None) -> None:
    async with gateway() as platform:
        reply = await post(platform.port, "/models/load", body)
        assert (reply.status, reply.json()["error"]["param"]) == (400, param)
