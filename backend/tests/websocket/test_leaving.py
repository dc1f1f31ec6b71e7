"""Ends of every kind: the client leaves, stops reading, or the platform stops."""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection

from app.api.websocket import front_end as front_end_module
from app.api.websocket import server
from app.domain.events import EventStream, StreamEvent, TextDelta
from app.domain.exchange import Exchange
from app.testing.providers import ScriptedProvider, Step
from tests.websocket.gateway import ANSWER, HI, START, Client, Gateway, client, eventually, gateway, refused, text

PIECE = 1024


class Endless(ScriptedProvider):
    """Counts the events that were taken from it."""

    def __init__(self) -> None:
        super().__init__([])
        self.taken = 0

    async def chat(self, exchange: Exchange[object]) -> EventStream:
        self.exchanges.append(exchange)
        return self._stream()

    async def _stream(self) -> AsyncIterator[StreamEvent]:
        try:
            yield START
            while True:
                self.taken += 1
                yield TextDelta(text="x" * PIECE)
                await asyncio.sleep(0)
        finally:
            self.closed += 1


@pytest.mark.parametrize("politely", [False, True])
@pytest.mark.parametrize("under_way", [False, True])
async def test_a_client_that_leaves_closes_its_upstreams_within_half_a_second(
    politely: bool, under_way: bool
) -> None:
    before: list[Step] = [*ANSWER[:2]] if under_way else []
    provider = ScriptedProvider([*before, asyncio.Event()])
    async with gateway(provider) as platform, client(platform) as socket:
        tasks = len(asyncio.all_tasks())
        for number in range(3):
            await socket.send(**HI, id=number)
        await eventually(lambda: len(provider.exchanges) == 3)
        if under_way:
            for _ in range(3):
                await socket.frame()
        if politely:
            await socket.connection.close()
        else:
            socket.connection.transport.abort()
        await eventually(lambda: provider.closed == 3 if under_way else len(platform.records) == 3)
        assert [record.outcome for record in platform.records] == ["cancelled"] * 3
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks, seconds=5)


async def test_a_reader_that_stalls_pauses_the_upstream() -> None:
    provider = Endless()
    async with gateway(provider, send_buffer=8192) as platform, _slow_client(platform) as socket:
        await socket.send(**HI, id="a")
        _stop_reading(socket.connection)
        await _comes_to_rest(provider)
        # What the kernel holds is some 50 KiB here.
        assert provider.taken * PIECE <= 256 * 1024
        stood_at = provider.taken
        socket.connection.transport.resume_reading()
        for _ in range(2 * stood_at):
            await socket.frame()
        assert provider.taken > stood_at
        await socket.send(type="cancel", id="a")
        await socket.frames()
        assert provider.closed == 1


async def test_a_stalled_reader_can_leave() -> None:
    provider = Endless()
    async with gateway(provider, send_buffer=8192) as platform, _slow_client(platform) as socket:
        await socket.send(**HI)
        _stop_reading(socket.connection)
        await _comes_to_rest(provider)
        socket.connection.transport.abort()
        await eventually(lambda: provider.closed)


async def test_a_reader_that_stays_stalled_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PING_SECONDS", 0.1)
    provider = Endless()
    async with gateway(provider, send_buffer=8192) as platform, _slow_client(platform) as socket:
        await socket.send(**HI)
        _stop_reading(socket.connection)
        await eventually(lambda: provider.closed, seconds=3)


def _slow_client(platform: Gateway) -> "_SlowClient":
    return _SlowClient(platform)


class _SlowClient:
    """A client whose kernel takes in little."""

    def __init__(self, platform: Gateway) -> None:
        self._platform = platform

    async def __aenter__(self) -> Client:
        raw = sockets.socket()
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", self._platform.port))
        raw.setblocking(False)
        self._open = client(self._platform, sock=raw, ping_interval=None, close_timeout=0.1)
        return await self._open.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._open.__aexit__(None, None, None)


def _stop_reading(connection: ClientConnection) -> None:
    connection.transport.pause_reading()


async def _comes_to_rest(provider: Endless) -> None:
    """Until nothing more was taken for a while."""
    async with asyncio.timeout(5):
        before = -1
        while provider.taken != before:
            before = provider.taken
            await asyncio.sleep(0.1)


async def test_a_stopping_platform_lets_answers_end_and_takes_no_new_ones() -> None:
    gate = asyncio.Event()
    provider = ScriptedProvider([*ANSWER[:2], gate, *ANSWER[2:]])
    async with gateway(provider) as platform, client(platform) as busy, client(platform) as idle:
        async with client(platform, "/ws/models") as feed:
            await feed.frame()
            await busy.send(**HI, id="a")
            await busy.frame()
            drain = asyncio.create_task(platform.front_end.drain(10))
            assert (await idle.closed(), await feed.closed()) == (1001, 1001)
        failed = (await busy.ask(id="b"))[-1]
        assert (failed["status"], failed["error"]["code"], failed["retry_after"]) == (503, "stopping", 1.0)
        status, error = await refused(platform)
        assert (status, error["code"]) == (503, "stopping")
        gate.set()
        frames = await busy.frames("a")
        assert (text(frames), frames[-1]["type"]) == ("lo", "done")
        assert await busy.closed() == 1001
        await drain


async def test_what_does_not_end_in_time_is_broken_off_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = ScriptedProvider([*ANSWER[:2], asyncio.Event()])
    async with gateway(provider) as platform, client(platform) as socket:
        await socket.send(**HI, id="a")
        await socket.frame()
        await platform.front_end.drain(front_end_module.FAREWELL + 0.05)
        failed = await socket.frame()
        assert (failed["id"], failed["type"], failed["error"]["code"]) == ("a", "error", "stopping")
        assert await socket.closed() == 1001
        assert provider.closed == 1


async def test_the_server_itself_waits_for_sockets_at_its_shutdown() -> None:
    """uvicorn closes WebSockets at once; ours are left to the front-end."""
    gate = asyncio.Event()
    provider = ScriptedProvider([*ANSWER[:2], gate, *ANSWER[2:]])
    async with gateway(provider, timeout_graceful_shutdown=5) as platform:
        context = client(platform)
        socket = await context.__aenter__()
        await socket.send(**HI, id="a")
        await socket.frame()
        drain = asyncio.create_task(platform.front_end.drain(5))
        asyncio.get_running_loop().call_later(0.2, gate.set)
    # The gateway has been shut down with the answer under way.
    frames = await socket.frames("a")
    assert (text(frames), frames[-1]["type"]) == ("lo", "done")
    assert await socket.closed() == 1001
    await drain
    await context.__aexit__(None, None, None)
