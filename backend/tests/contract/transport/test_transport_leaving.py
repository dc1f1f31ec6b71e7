"""Leaving a response early, leaving the transport, an early answer, and a holder that does not read."""

import asyncio
from contextlib import aclosing

import pytest

from app.core.http import OutboundRequest
from app.domain.errors import ConnectionFailed, PlatformError
from tests.contract.transport.exchanges import CHUNKED, GET, POST, fetch, serve, until_ended
from tests.servers.raw_peer import DEADLINE, Call, raw_peer


async def stream_then_wait(call: Call) -> None:
    await call.request()
    await call.send(CHUNKED + b"5\r\nhello\r\n")
    await call.until_gone()


async def test_closing_a_half_read_response_closes_the_connection(connect):
    async with raw_peer(stream_then_wait) as peer:
        response = await connect(peer.url).open(GET)
        chunks = response.chunks()
        assert await anext(chunks) == b"hello"
        await response.aclose()
        await until_ended(peer.calls[0])
        await chunks.aclose()


async def test_closing_the_chunks_closes_the_connection(connect):
    async with raw_peer(stream_then_wait) as peer:
        response = await connect(peer.url).open(GET)
        async with aclosing(response.chunks()) as chunks:
            await anext(chunks)
        await until_ended(peer.calls[0])


async def test_closing_an_unread_response_closes_the_connection(connect):
    async with raw_peer(stream_then_wait) as peer:
        response = await connect(peer.url).open(GET)
        await response.aclose()
        await response.aclose()
        await until_ended(peer.calls[0])


async def test_closing_after_the_end_keeps_the_connection(connect):
    async with raw_peer(serve) as peer:
        transport = connect(peer.url)
        response = await transport.open(GET)
        assert await response.read() == b"ok"
        await response.aclose()
        await response.aclose()
        assert await fetch(transport) == (200, b"ok")
        assert len(peer.calls) == 1


async def test_a_response_closed_late_does_not_hurt_the_next_one(connect):
    """Its connection already serves another request."""
    async with raw_peer(serve) as peer:
        transport = connect(peer.url)
        first = await transport.open(GET)
        assert await first.read() == b"ok"
        second = await transport.open(GET)
        await first.aclose()
        assert await second.read() == b"ok"
        await second.aclose()
        assert len(peer.calls) == 1


async def test_cancelling_while_the_head_is_awaited_closes_the_connection(connect):
    async def script(call: Call) -> None:
        await call.request()
        asked.set()
        await call.until_gone()

    asked = asyncio.Event()
    async with raw_peer(script) as peer:
        task = asyncio.create_task(fetch(connect(peer.url), POST))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until_ended(peer.calls[0])


@pytest.mark.parametrize("way", ["read", "chunks"])
async def test_cancelling_while_the_body_is_awaited_closes_the_connection(connect, way):
    async with raw_peer(stream_then_wait) as peer:
        response = await connect(peer.url).open(GET)
        started = asyncio.Event()

        async def consume() -> None:
            started.set()
            if way == "read":
                await response.read()
            async for _ in response.chunks():
                pass

        task = asyncio.create_task(consume())
        await started.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until_ended(peer.calls[0])


async def test_closing_the_transport_closes_what_is_idle_and_fails_what_is_in_use(connect):
    async def script(call: Call) -> None:
        request = await call.request()
        if request.target == "/idle":
            await call.answer()
        elif request.target == "/stream":
            await call.send(CHUNKED + b"5\r\nhello\r\n")
        asked.release()
        await call.until_gone()

    asked = asyncio.Semaphore(0)
    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        streaming = await transport.open(OutboundRequest(method="GET", path="/stream"))
        silent = asyncio.create_task(fetch(transport, OutboundRequest(method="GET", path="/silent")))
        await fetch(transport, OutboundRequest(method="GET", path="/idle"))
        for _ in range(3):
            await asked.acquire()
        await transport.aclose()
        for index in range(3):
            await until_ended(peer.calls[index])
        with pytest.raises(ConnectionFailed):
            await silent
        with pytest.raises(PlatformError):
            await streaming.read()
        await streaming.aclose()
        with pytest.raises(ConnectionFailed):
            await transport.open(GET)
        await transport.aclose()
        assert len(peer.calls) == 3


async def test_an_early_answer_wins_over_the_rest_of_the_request(connect):
    """The peer refuses a large body after its head and reads no more: we see the answer and drop the socket."""

    async def script(call: Call) -> None:
        await call.head()
        await call.answer(b"too large", status="413 Content Too Large")
        await finished.wait()

    finished = asyncio.Event()
    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        large = OutboundRequest(method="POST", path="/", body=bytes(32 * 2**20))
        async with asyncio.timeout(DEADLINE), aclosing(await transport.open(large)) as response:
            assert response.status == 413
            assert await response.read() == b"too large"
        finished.set()
        await until_ended(peer.calls[0])
        async with asyncio.timeout(DEADLINE), aclosing(await transport.open(large)) as response:
            assert response.status == 413
        assert len(peer.calls) == 2


async def test_who_does_not_read_makes_the_peer_stop_sending(connect):
    """Of 64 MiB the kernels on both sides hold a few, we hold 256 KiB, and the rest stays with the peer."""
    total, piece = 64 * 2**20, bytes(64 * 1024)

    async def script(call: Call) -> None:
        await call.request()
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while call.sent < total:
            await call.send(piece)

    async with raw_peer(script) as peer, aclosing(await connect(peer.url).open(GET)) as response:
        chunks = response.chunks()
        received = len(await anext(chunks))
        call, before = peer.calls[0], -1
        while call.sent != before:
            before = call.sent
            await asyncio.sleep(0.25)
        assert call.sent < total / 2
        async for chunk in chunks:
            received += len(chunk)
        assert received == total
