"""When a connection is kept, replaced, and let go."""

import asyncio
import itertools

import pytest

from app.core.http import OutboundRequest
from app.domain.errors import ConnectionFailed
from tests.contract.transport.exchanges import GET, POST, fetch, serve, until_ended
from tests.servers.raw_peer import DEADLINE, Call, raw_peer


async def test_one_connection_serves_many_requests(connect):
    async with raw_peer(serve) as peer:
        transport = connect(peer.url)
        for _ in range(10):
            assert await fetch(transport) == (200, b"ok")
        assert (len(peer.calls), len(peer.requests)) == (1, 10)


async def test_concurrent_requests_have_connections_of_their_own_and_share_them_later(connect):
    async def script(call: Call) -> None:
        while True:
            request = await call.request()
            arrived.release()
            await together.wait()
            await call.answer(request.target.encode())

    together, arrived = asyncio.Event(), asyncio.Semaphore(0)
    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        requests = [OutboundRequest(method="GET", path=f"/{number}") for number in range(80)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fetch(transport, request)) for request in requests]
            for _ in requests:
                await arrived.acquire()
            together.set()
        assert [task.result() for task in tasks] == [(200, f"/{number}".encode()) for number in range(80)]
        assert len(peer.calls) == 80
        await fetch(transport)
        assert len(peer.calls) == 80


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("request_", [GET, POST], ids=["get", "post"])
async def test_a_pooled_connection_that_dies_unheard_is_replaced_unseen(connect, request_, how):
    """The stale keep-alive race: the peer closes with our second request already on its way."""

    async def script(call: Call) -> None:
        await call.request()
        await call.answer()
        if call.index == 0:
            await call.request()
            if how == "reset":
                call.reset()
            return
        await call.until_gone()

    async with raw_peer(script) as peer:
        transport = connect(peer.url, stale_after=0.0)
        assert await fetch(transport) == (200, b"ok")
        assert await fetch(transport, request_) == (200, b"ok")
        assert [request.method for request in peer.requests] == ["GET", request_.method, request_.method]
        assert len(peer.calls) == 2


@pytest.mark.parametrize("client", ["h1"], indirect=True)
async def test_what_is_lost_on_a_connection_that_was_just_in_use_is_not_sent_twice(connect):
    """Not the keep-alive race: the server has taken it, and may have begun."""

    async def script(call: Call) -> None:
        await call.request()
        await call.answer()
        await call.request()

    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        await fetch(transport)
        with pytest.raises(ConnectionFailed, match="closed the connection"):
            await fetch(transport, POST)
        assert len(peer.requests) == 2


async def test_the_replacement_is_fresh_even_when_more_pooled_ones_wait(connect):
    async def script(call: Call) -> None:
        await call.request()
        arrived.release()
        await together.wait()
        await call.answer()
        if call.index < 3:
            await call.request()
            return
        await call.until_gone()

    together, arrived = asyncio.Event(), asyncio.Semaphore(0)
    async with raw_peer(script) as peer:
        transport = connect(peer.url, stale_after=0.0)
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(fetch(transport))
            for _ in range(3):
                await arrived.acquire()
            together.set()
        assert await fetch(transport, POST) == (200, b"ok")
        assert len(peer.calls) == 4


async def test_the_replacement_itself_is_not_replaced(connect):
    async def script(call: Call) -> None:
        if call.index == 0:
            await call.request()
            await call.answer()
        await call.request()

    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        await fetch(transport)
        with pytest.raises(ConnectionFailed):
            await fetch(transport)
        assert len(peer.calls) == 2


async def test_a_peer_that_closed_while_idle_costs_no_request(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.answer()

    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        for _ in range(5):
            assert await fetch(transport) == (200, b"ok")
            await until_ended(peer.calls[-1])
        assert len(peer.requests) == 5


@pytest.mark.parametrize(
    ("client", "part"),
    [
        ("h1", b"H"),
        ("h1", b"HTTP/1.1 200 OK\r\ncontent-le"),
        ("h1", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("aiohttp", b"H"),
        ("aiohttp", b"HTTP/1.1 200 OK\r\ncontent-le"),
    ],
    indirect=["client"],
)
@pytest.mark.parametrize("request_", [GET, POST], ids=["get", "post"])
async def test_after_a_single_byte_nothing_is_repeated(connect, request_, part):
    async def script(call: Call) -> None:
        await call.request()
        await call.answer()
        await call.request()
        await call.send(part)

    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        await fetch(transport)
        with pytest.raises(ConnectionFailed):
            await fetch(transport, request_)
        assert len(peer.requests) == 2


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("request_", [GET, POST], ids=["get", "post"])
async def test_a_fresh_connection_is_never_retried(connect, request_, how):
    async def script(call: Call) -> None:
        await call.request()
        if how == "reset":
            call.reset()

    async with raw_peer(script) as peer:
        with pytest.raises(ConnectionFailed) as caught:
            await fetch(connect(peer.url), request_)
        assert caught.value.provider == "upstream"
        assert len(peer.requests) == 1


@pytest.mark.parametrize("line", ["connection: close\r\n", "Connection: Close\r\n"])
async def test_a_peer_that_says_close_is_believed(connect, line):
    async def script(call: Call) -> None:
        await call.request()
        await call.answer(headers=line)
        await call.until_gone()

    async with raw_peer(script) as peer:
        transport = connect(peer.url)
        assert await fetch(transport) == (200, b"ok")
        await until_ended(peer.calls[0])
        assert await fetch(transport) == (200, b"ok")


async def test_an_idle_connection_is_closed_in_time(connect):
    async with raw_peer(serve) as peer:
        transport = connect(peer.url, keep_alive=0.1)
        await fetch(transport)
        assert not peer.calls[0].ended.is_set()
        await until_ended(peer.calls[0], seconds=2)
        assert await fetch(transport) == (200, b"ok")
        assert len(peer.calls) == 2


@pytest.mark.parametrize("client", ["h1"], indirect=True)
async def test_no_more_than_the_allowed_number_wait_idle(connect):
    async def script(call: Call) -> None:
        await call.request()
        arrived.release()
        await together.wait()
        await call.answer()
        await call.until_gone()

    together, arrived = asyncio.Event(), asyncio.Semaphore(0)
    async with raw_peer(script) as peer:
        transport = connect(peer.url, max_idle_connections=2)
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(fetch(transport))
            for _ in range(5):
                await arrived.acquire()
            together.set()
        ends = [asyncio.create_task(call.ended.wait()) for call in peer.calls]
        for end in itertools.islice(asyncio.as_completed(ends, timeout=DEADLINE), 3):
            await end
        assert sum(call.ended.is_set() for call in peer.calls) == 3
        await transport.aclose()
        await asyncio.gather(*ends)
