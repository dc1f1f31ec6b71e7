"""Answers that break off, lie about their length, never end, or are not HTTP."""

import asyncio
from contextlib import aclosing

import pytest

from app.domain.errors import ConnectionFailed, PlatformError, ProviderProtocolError, UpstreamError
from tests.contract.transport.exchanges import CHUNKED, GET, always, fetch, gather, once
from tests.servers.raw_peer import Call, raw_peer

SHORT = [
    b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
    CHUNKED + b"a\r\nhello",
    CHUNKED + b"5\r\nhello\r\n",
    CHUNKED + b"5\r\nhello\r\n0\r\n",
]


@pytest.mark.parametrize("answer", SHORT)
async def test_a_body_that_breaks_off_is_never_a_silent_end(connect, answer):
    received: list[bytes] = []
    async with raw_peer(once(answer)) as peer:
        async with aclosing(await connect(peer.url).open(GET)) as response:
            with pytest.raises(UpstreamError) as caught:
                await gather(response, received)
        assert b"".join(received) == b"hello"
        assert caught.value.provider == "upstream"
        assert type(caught.value) in (ConnectionFailed, ProviderProtocolError)
        assert len(peer.calls) == 1


@pytest.mark.parametrize("answer", SHORT)
async def test_read_does_not_return_half_a_body(connect, answer):
    async with raw_peer(once(answer)) as peer, aclosing(await connect(peer.url).open(GET)) as response:
        with pytest.raises(UpstreamError):
            await response.read()


GARBAGE_HEADS = [
    b"hello\r\n\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTQ/1.1 200 OK\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
]


@pytest.mark.parametrize("answer", GARBAGE_HEADS)
async def test_garbage_instead_of_a_head(connect, answer):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(answer)
        await call.until_gone()

    async with raw_peer(script) as peer:
        with pytest.raises(ProviderProtocolError) as caught:
            await fetch(connect(peer.url))
        assert caught.value.provider == "upstream"
        assert len(peer.calls) == 1


@pytest.mark.parametrize(
    "chunks", [b"5\r\nhello\r\nzz\r\n", b"5\r\nhello\r\nFFFFFFFFFFFFFFFFF\r\n", b"5\r\nhelloX"]
)
async def test_garbage_between_chunks_ends_the_body_with_an_error(connect, chunks):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(CHUNKED + chunks)
        await call.until_gone()

    async with raw_peer(script) as peer:
        with pytest.raises(PlatformError) as caught:
            await fetch(connect(peer.url))
        assert type(caught.value) is ProviderProtocolError


@pytest.mark.parametrize(
    "lines", [[b"x: " + b"y" * 4096 + b"\r\n"] * 400, [b"x: "] + [b"y" * 8192] * 40], ids=["many", "one"]
)
async def test_a_head_without_end_is_cut_off(connect, lines):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(b"HTTP/1.1 200 OK\r\n")
        for line in lines:
            await call.send(line)
        await call.until_gone()

    async with raw_peer(script) as peer:
        with pytest.raises(ProviderProtocolError):
            await fetch(connect(peer.url))


async def test_a_large_head_within_the_bound_is_read(connect):
    lines = b"".join(b"x-%d: %b\r\n" % (number, b"y" * 1000) for number in range(50))
    async with raw_peer(always(b"HTTP/1.1 200 OK\r\n" + lines + b"content-length: 2\r\n\r\nok")) as peer:
        assert await fetch(connect(peer.url)) == (200, b"ok")


RIGHT = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SURPLUS = [
    RIGHT + b"MORE",
    RIGHT + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL",
    RIGHT + b"HTTP/1.1 2",
    CHUNKED + b"2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nokMORE",
]


@pytest.mark.parametrize("answer", SURPLUS)
async def test_bytes_after_the_end_are_never_the_next_answer(connect, client, answer):
    """aiohttp may refuse such an answer as a whole, or drop what came too much; h1 closes the connection."""
    async with raw_peer(always(answer)) as peer:
        transport = connect(peer.url)
        for _ in range(3):
            try:
                assert await fetch(transport) == (200, b"ok")
            except ProviderProtocolError:
                assert client == "aiohttp"
        assert len(peer.calls) == 3 or client == "aiohttp"


@pytest.mark.parametrize("client", ["h1"], indirect=True)
async def test_an_idle_connection_that_speaks_is_dropped(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.answer()
        await fetched.wait()
        await call.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 4\r\n\r\nEVIL")
        await call.until_gone()

    fetched = asyncio.Event()
    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        assert await fetch(transport) == (200, b"ok")
        fetched.set()
        await asyncio.wait_for(peer.calls[0].ended.wait(), 2)
        fetched.clear()
        assert await fetch(transport) == (200, b"ok")
