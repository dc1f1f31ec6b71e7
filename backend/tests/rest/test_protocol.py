"""The HTTP protocol beneath all front-ends: what an application is told of a request, however it comes in."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.rest.gateway import eventually
from tests.servers.serving import serving

HOST = b"host: here\r\n"
LONG = b"x" * 100_000


class Telling:
    """Answers with what it was told of the request; under /wait once the client has left, or `go` is set; under
    /early before it has read its body. `asked`: for what.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.went_on: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        body, more = b"", scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.went_on.append("left in the middle")
                return
            body, more = body + message["body"], message["more_body"]
        if scope["path"] == "/wait":
            await self._wait(receive)
        told = {name: scope[name] for name in ("method", "path", "http_version")}
        told |= {name: scope[name].decode() for name in ("raw_path", "query_string")}
        told["body"] = body.decode() if len(body) < 1000 else len(body)
        answer = json.dumps(told).encode()
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
        self.went_on.append((await receive())["type"])

    async def _wait(self, receive: Receive) -> None:
        left, go = asyncio.create_task(receive()), asyncio.create_task(self.go.wait())  # type: ignore[arg-type]
        done, _ = await asyncio.wait({left, go}, return_when=asyncio.FIRST_COMPLETED)
        if left in done:
            self.went_on.append("left")
        left.cancel()
        go.cancel()


@asynccontextmanager
async def connected(
    app: Telling, **options: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with serving(app, **options) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> dict[str, Any]:
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        told: dict[str, Any] = json.loads(await reader.readexactly(length))
        return told


def post(path: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\n%b%bcontent-length: %d\r\n\r\n%b" % (path, HOST, more, len(body), body)


@pytest.mark.parametrize(
    ("pieces", "method", "body"),
    [
        ([b"GET /a%20b?q=1 HTTP/1.1\r\n" + HOST + b"\r\n"], "GET", ""),
        ([post(b"/a%20b?q=1", b"all at once")], "POST", "all at once"),
        ([post(b"/a%20b?q=1", b"")], "POST", ""),
        ([post(b"/a%20b?q=1", b"abc")[:-2], b"b", b"c"], "POST", "abc"),
        ([post(b"/a%20b?q=1", b"abc")[:20], post(b"/a%20b?q=1", b"abc")[20:]], "POST", "abc"),
        ([post(b"/a%20b?q=1", LONG)], "POST", len(LONG)),
        (
            [
                b"POST /a%20b?q=1 HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n3\r\nab",
                b"c\r\n0\r\n\r\n",
            ],
            "POST",
            "abc",
        ),
    ],
)
async def test_a_request_is_told_whole_in_however_many_pieces_it_comes(
    pieces: Sequence[bytes], method: str, body: str | int
) -> None:
    app = Telling()
    async with connected(app) as (reader, writer):
        for _ in range(2):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            assert await answer(reader) == {
                "method": method,
                "path": "/a b",
                "raw_path": "/a%20b",
                "query_string": "q=1",
                "http_version": "1.1",
                "body": body,
            }
    assert app.went_on == ["http.disconnect"] * 2


async def test_whoever_asks_for_leave_to_send_is_given_it() -> None:
    async with connected(Telling()) as (reader, writer):
        writer.write(post(b"/", b"abc", b"expect: 100-continue\r\n")[:-3])
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await answer(reader))["body"] == "abc"


async def test_an_old_client_is_answered_once() -> None:
    async with connected(Telling()) as (reader, writer):
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await answer(reader))["http_version"] == "1.0"
        assert await reader.read() == b""


async def test_requests_that_come_together_are_answered_in_order() -> None:
    app = Telling()
    async with connected(app) as (reader, writer):
        writer.write(b"".join(post(b"/wait" if not number else b"/", b"%d" % number) for number in range(4)))
        await writer.drain()
        app.go.set()
        assert [(await answer(reader))["body"] for _ in range(4)] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (post(b"/wait", b"whole"), ["left", "http.disconnect"]),
        (post(b"/wait", LONG), ["left", "http.disconnect"]),
        (post(b"/", LONG)[:-1], ["left in the middle"]),
    ],
)
async def test_an_application_hears_that_its_client_has_left(sent: bytes, heard: list[str]) -> None:
    app = Telling()
    async with connected(app) as (_, writer):
        writer.write(sent)
        await writer.drain()
        writer.close()
        await eventually(lambda: app.went_on == heard)


async def test_a_body_that_takes_too_long_is_not_waited_for() -> None:
    """Its application may not want it, and says so."""
    app = Telling()
    async with connected(app, header_seconds=0.1) as (reader, writer):
        writer.write(post(b"/early", b"abc")[:-1])
        assert (await answer(reader))["body"] == ""
        writer.write(b"c" + post(b"/", b"next"))
        assert (await answer(reader))["body"] == "next"
    assert app.asked == ["/early", "/"]


async def test_a_websocket_follows_a_request() -> None:
    app = Telling()
    async with connected(app, ws="websockets-sansio") as (reader, writer):
        writer.write(post(b"/", b"abc"))
        await answer(reader)
        key = b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        writer.write(
            b"GET /ws HTTP/1.1\r\n" + HOST + b"connection: upgrade\r\nupgrade: websocket\r\n" + key + b"\r\n"
        )
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 101")
    assert app.asked == ["/", "/ws"]


async def test_of_a_small_request_that_never_comes_whole_nobody_hears() -> None:
    app = Telling()
    async with connected(app) as (_, writer):
        writer.write(post(b"/", b"abc")[:-1])
        await writer.drain()
    assert app.asked == []


async def test_a_connection_that_is_not_used_is_closed() -> None:
    async with connected(Telling(), timeout_keep_alive=0.2) as (reader, writer):
        for _ in range(2):
            writer.write(post(b"/", b""))
            await answer(reader)
        async with asyncio.timeout(5):
            assert await reader.read() == b""


async def test_an_answer_may_take_longer_than_a_connection_is_kept() -> None:
    app = Telling()
    async with connected(app, timeout_keep_alive=0.05) as (reader, writer):
        writer.write(post(b"/", b""))
        await answer(reader)
        writer.write(post(b"/wait", b"slow"))
        asyncio.get_running_loop().call_later(0.2, app.go.set)
        assert (await answer(reader))["body"] == "slow"


@pytest.mark.parametrize("before", [b"", post(b"/", b"abc")])
async def test_a_head_that_takes_too_long_is_given_up(before: bytes) -> None:
    async with connected(Telling(), header_seconds=0.1) as (reader, writer):
        writer.write(before + b"POST / HTTP/1.1\r\nhost:")
        if before:
            await answer(reader)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
