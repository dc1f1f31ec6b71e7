"""Bodies as honest peers send them: every framing, every split, every size."""

import asyncio
from contextlib import aclosing

import pytest

from app.core.http import OutboundRequest
from app.domain.errors import ProviderProtocolError
from tests.contract.transport.exchanges import CHUNKED, GET, always, fetch, once
from tests.servers.raw_peer import Call, raw_peer

WHOLE = [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello"),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b""),
    (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
    (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 404, b"no"),
    (b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno", 500, b"no"),
    (b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", 302, b""),
    (CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 200, b"hello world"),
    (CHUNKED + b"5;name=value\r\nhello\r\n0\r\n\r\n", 200, b"hello"),
    (CHUNKED + b"A\r\n0123456789\r\n0\r\nx-trailer: 1\r\nx-other: 2\r\n\r\n", 200, b"0123456789"),
    (CHUNKED + b"0\r\n\r\n", 200, b""),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    (b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n", 304, b""),
    (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b""),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
    (
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        200,
        b"ok",
    ),
]


@pytest.mark.parametrize(("answer", "status", "body"), WHOLE)
async def test_reads_a_body_and_keeps_the_connection(connect, answer, status, body):
    async with raw_peer(always(answer)) as peer:
        transport = connect(peer.url)
        assert await fetch(transport) == (status, body)
        assert await fetch(transport) == (status, body)
        assert len(peer.calls) == 1


@pytest.mark.parametrize(("answer", "status", "body"), WHOLE)
async def test_reads_the_same_when_every_byte_comes_alone(connect, answer, status, body):
    async with raw_peer(always(answer, bytewise=True)) as peer:
        transport = connect(peer.url)
        assert await fetch(transport) == (status, body)
        assert await fetch(transport) == (status, body)
        assert len(peer.calls) == 1


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_without_a_length_the_body_ends_with_the_connection(connect, version):
    async with raw_peer(once(f"HTTP/{version} 200 OK\r\n\r\nall there is".encode())) as peer:
        transport = connect(peer.url)
        assert await fetch(transport) == (200, b"all there is")
        assert await fetch(transport) == (200, b"all there is")
        assert len(peer.calls) == 2


@pytest.mark.parametrize("framing", [b"content-length: 5000\r\n", b"transfer-encoding: chunked\r\n", b""])
async def test_the_answer_to_head_has_no_body(connect, framing):
    async with raw_peer(once(b"HTTP/1.1 200 OK\r\n" + framing + b"x-a: b\r\n\r\n")) as peer:
        transport = connect(peer.url)
        async with aclosing(await transport.open(OutboundRequest(method="HEAD", path="/"))) as response:
            assert (response.status, response.headers["x-a"]) == (200, "b")
            assert await response.read() == b""


async def test_the_connection_serves_again_after_head(connect):
    async with raw_peer(always(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n")) as peer:
        transport = connect(peer.url)
        for _ in range(3):
            assert await fetch(transport, OutboundRequest(method="HEAD", path="/")) == (200, b"")
        assert len(peer.calls) == 1


async def test_header_names_are_lower_case_and_repeated_ones_joined(connect):
    head = b"HTTP/1.1 200 OK\r\nX-One: 1\r\nX-Two: a\r\nx-two: b\r\nEmpty:\r\nContent-Length: 0\r\n\r\n"
    async with raw_peer(always(head)) as peer, aclosing(await connect(peer.url).open(GET)) as response:
        assert response.headers["x-one"] == "1"
        assert response.headers["x-two"] == "a, b"
        assert response.headers["empty"] == ""


async def test_chunks_arrive_as_they_are_sent(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(CHUNKED)
        for letter in (b"a", b"b", b"c"):
            await call.send(b"1\r\n" + letter + b"\r\n")
            await seen[letter].wait()
        await call.send(b"0\r\n\r\n")

    seen = {letter: asyncio.Event() for letter in (b"a", b"b", b"c")}
    async with raw_peer(script) as peer, aclosing(await connect(peer.url).open(GET)) as response:
        received = []
        async for chunk in response.chunks():
            received.append(chunk)
            seen[chunk].set()
        assert received == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 100,
        CHUNKED + b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n",
    ],
)
async def test_read_is_bounded(connect, answer):
    async with raw_peer(always(answer)) as peer:
        transport = connect(peer.url)
        async with aclosing(await transport.open(GET)) as response:
            with pytest.raises(ProviderProtocolError, match="more than 99 bytes"):
                await response.read(limit=99)
        async with aclosing(await transport.open(GET)) as response:
            assert await response.read(limit=100) == b"x" * 100


async def test_a_large_body_both_ways(connect):
    async def script(call: Call) -> None:
        while True:
            request = await call.request()
            await call.answer(request.body)

    body = bytes(range(256)) * 40_000
    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        for size in (0, 1, 16 * 1024, 16 * 1024 + 1, len(body)):
            sent = OutboundRequest(method="POST", path="/", body=body[:size])
            assert await fetch(transport, sent) == (200, body[:size])
        assert len(peer.calls) == 1
