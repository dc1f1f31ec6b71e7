"""Peers that are not there, too slow, or break off: which error, when, and how the socket ends."""

import asyncio
import socket
import struct
from contextlib import ExitStack, aclosing

import pytest

from app.core.http import OutboundRequest
from app.domain.errors import ConnectionFailed, ConnectionRefused, PlatformError, UpstreamTimeout
from tests.contract.transport.exchanges import CHUNKED, GET, fetch, gather, until_ended
from tests.servers.raw_peer import Call, closed_port, raw_peer


async def silence(call: Call) -> None:
    await call.request()
    await call.until_gone()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # the latter may have two addresses
async def test_refused(connect, host):
    with pytest.raises(ConnectionRefused, match="'upstream' refused the connection") as caught:
        await connect(f"http://{host}:{closed_port()}").open(GET)
    assert caught.value.provider == "upstream"
    assert caught.value.retryable
    assert not caught.value.sent


async def test_refused_once_an_older_connection_had_taken_the_request(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.answer()
        await call.request()
        call.peer.refuse()

    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        await fetch(transport)
        with pytest.raises(ConnectionRefused) as caught:
            await fetch(transport)
        assert caught.value.sent


async def test_a_host_name_that_does_not_exist(connect):
    with pytest.raises(ConnectionFailed, match="'upstream' has a host name that was not found"):
        await connect("http://nowhere.invalid").open(GET)


async def test_a_peer_that_never_accepts(connect):
    """Its queue is full: the kernel drops what knocks."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        transport = connect(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=0.2)
        async with asyncio.timeout(2):
            with pytest.raises(UpstreamTimeout, match=r"no connection within 0.2 s") as caught:
                await transport.open(GET)
        assert caught.value.provider == "upstream"


async def test_cancelling_while_connecting(connect):
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        transport = connect(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await transport.open(GET)


@pytest.mark.parametrize("by", ["request", "settings"])
async def test_a_peer_that_never_answers(connect, by):
    async with raw_peer(silence) as peer:
        if by == "request":
            opening = connect(peer.url).open(OutboundRequest(method="GET", path="/", first_byte_timeout=0.1))
        else:
            opening = connect(peer.url, first_byte_timeout=0.1).open(GET)
        async with asyncio.timeout(2):
            with pytest.raises(UpstreamTimeout, match=r"'upstream' gave no answer within 0.1 s") as caught:
                await opening
        assert caught.value.provider == "upstream"
        await until_ended(peer.calls[0])
        assert len(peer.calls) == 1


async def test_a_pooled_connection_that_never_answers_is_not_retried(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.answer()
        await call.request()
        await call.until_gone()

    async with raw_peer(script) as peer:
        transport = connect(peer.url, first_byte_timeout=0.1)
        async with aclosing(await transport.open(GET)) as response:
            await response.read()
        with pytest.raises(UpstreamTimeout):
            await transport.open(GET)
        assert len(peer.requests) == 2


async def test_half_a_head_is_not_the_first_byte(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(b"HTTP/1.1 200 OK\r\nx: ")
        await call.until_gone()

    async with raw_peer(script) as peer:
        with pytest.raises(UpstreamTimeout):
            await connect(peer.url, first_byte_timeout=0.1).open(GET)
        await until_ended(peer.calls[0])


async def test_the_first_byte_limit_ends_with_the_head(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(CHUNKED)
        await asyncio.sleep(0.3)
        await call.send(b"2\r\nok\r\n0\r\n\r\n")
        await call.until_gone()

    async with raw_peer(script) as peer:
        transport = connect(peer.url, first_byte_timeout=0.15)
        async with aclosing(await transport.open(GET)) as response:
            assert await response.read() == b"ok"


@pytest.mark.parametrize("way", ["read", "chunks"])
async def test_a_stream_that_falls_silent(connect, way):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(CHUNKED + b"5\r\nhello\r\n")
        await call.until_gone()

    async with raw_peer(script) as peer:
        transport = connect(peer.url, idle_timeout=0.1)
        async with asyncio.timeout(2), aclosing(await transport.open(GET)) as response:
            with pytest.raises(UpstreamTimeout, match=r"no more of its answer within 0.1 s"):
                await (response.read() if way == "read" else gather(response, []))
            await until_ended(peer.calls[0])


async def test_a_slow_stream_is_not_a_silent_one(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(CHUNKED)
        for _ in range(8):
            await asyncio.sleep(0.05)
            await call.send(b"1\r\nx\r\n")
        await call.send(b"0\r\n\r\n")
        await call.until_gone()

    async with raw_peer(script) as peer:
        transport = connect(peer.url, idle_timeout=0.2)
        async with aclosing(await transport.open(GET)) as response:
            assert await response.read() == b"x" * 8


async def test_the_time_that_the_holder_takes_is_not_the_peers_silence(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(CHUNKED + b"1\r\na\r\n")
        await slow.wait()
        await call.send(b"1\r\nb\r\n0\r\n\r\n")
        await call.until_gone()

    slow = asyncio.Event()
    async with raw_peer(script) as peer:
        transport = connect(peer.url, idle_timeout=0.2)
        async with aclosing(await transport.open(GET)) as response:
            chunks = response.chunks()
            assert await anext(chunks) == b"a"
            await asyncio.sleep(0.3)
            asyncio.get_running_loop().call_later(0.1, slow.set)
            assert [chunk async for chunk in chunks] == [b"b"]


BREAKS = {
    "nothing": b"",
    "in the head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "in the body": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
    "in a chunk": CHUNKED + b"9\r\nhello",
    "between chunks": CHUNKED + b"5\r\nhello\r\n",
    "without a length": b"HTTP/1.1 200 OK\r\n\r\nhello",
}


@pytest.mark.parametrize("sent", BREAKS.values(), ids=BREAKS)
async def test_a_reset_anywhere_is_unavailable(connect, sent):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(sent)
        if b"hello" in sent:
            await seen.wait()
        call.reset()

    async def fetch() -> None:
        async with aclosing(await transport.open(GET)) as response:
            async for chunk in response.chunks():
                received.extend(chunk)
                if received == b"hello":
                    seen.set()

    seen, received = asyncio.Event(), bytearray()
    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        with pytest.raises(ConnectionFailed) as caught:
            await fetch()
        assert caught.value.provider == "upstream"
        assert received == (b"hello" if b"hello" in sent else b"")
        assert len(peer.calls) == 1


@pytest.mark.parametrize("sent", [BREAKS["nothing"], BREAKS["in the head"]], ids=["nothing", "in the head"])
async def test_an_end_before_the_head_is_unavailable(connect, sent):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(sent)

    async with raw_peer(script) as peer:
        with pytest.raises(ConnectionFailed, match="closed the connection before its answer was whole"):
            await connect(peer.url).open(GET)


async def test_a_peer_that_resets_at_once(connect):
    """Before the request is even sent."""

    async def script(call: Call) -> None:
        call.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        call.writer.transport.abort()

    async with raw_peer(script) as peer:
        with pytest.raises(PlatformError) as caught:
            await connect(peer.url).open(GET)
        assert type(caught.value) is ConnectionFailed
