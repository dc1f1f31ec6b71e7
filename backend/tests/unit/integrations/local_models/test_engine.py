import asyncio
from collections.abc import AsyncIterator, Callable
from threading import Event

import pytest

from app.integrations.model_platforms.local_models.engine import Engine, EngineClosed


class EndlessServer:
    """Writes until it is told to stop; embeds once it is allowed to."""

    def __init__(self) -> None:
        self.stopped = 0
        self.allowed = Event()

    def handle_chat_completions(self, request: bytes, callback: Callable[[bytes], bool]) -> None:
        if request == b"bad":
            raise ValueError("no")
        while not callback(request):
            pass
        self.stopped += 1

    handle_completions = handle_chat_completions

    def handle_embeddings(self, request: bytes) -> bytes:
        self.allowed.wait()
        return request

    def handle_metrics(self) -> str:
        return ""


@pytest.fixture
def server() -> EndlessServer:
    return EndlessServer()


@pytest.fixture
async def engine(server: EndlessServer) -> AsyncIterator[Engine]:
    engine = Engine(server, slots=2, name="test")
    yield engine
    server.allowed.set()
    await engine.close()


async def test_a_closed_answer_ends_its_thread(engine: Engine, server: EndlessServer) -> None:
    channel = await engine.generate("chat", b"a")
    assert (await channel.take())[0] == b"a"
    channel.close()
    await engine.drained()
    assert (server.stopped, engine.running) == (1, 0)


async def test_those_beyond_the_slots_wait_in_order(engine: Engine) -> None:
    running = [await engine.generate("chat", b"a"), await engine.generate("completion", b"b")]
    waiting = [asyncio.create_task(engine.generate("chat", name)) for name in (b"c", b"d")]
    await asyncio.sleep(0)
    assert engine.running == 2
    running[0].close()
    third = await waiting[0]
    assert (await third.take())[0] == b"c"
    assert not waiting[1].done()
    third.close()
    assert (await (await waiting[1]).take())[0] == b"d"


async def test_one_that_waits_can_leave(engine: Engine) -> None:
    held = [await engine.generate("chat", b"a") for _ in range(2)]
    waiting = asyncio.create_task(engine.generate("chat", b"b"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    for channel in held:
        channel.close()
    await engine.drained()
    assert (await (await engine.generate("chat", b"c")).take())[0] == b"c"


async def test_a_refusal_is_raised_and_frees_its_slot(engine: Engine) -> None:
    for _ in range(5):
        channel = await engine.generate("chat", b"bad")
        with pytest.raises(ValueError, match="no"):
            await channel.take()


async def test_closing_stops_all_and_frees_the_server(engine: Engine, server: EndlessServer) -> None:
    channels = [await engine.generate("chat", b"a") for _ in range(2)]
    waiting = asyncio.create_task(engine.generate("chat", b"b"))
    await asyncio.sleep(0)
    await engine.close()
    await engine.close()
    with pytest.raises(EngineClosed):
        await waiting
    assert server.stopped == 2
    assert engine.running == 0
    assert [await channel.take() for channel in channels] == [[], []]
    with pytest.raises(EngineClosed):
        await engine.generate("chat", b"c")


async def test_who_leaves_an_embedding_keeps_its_slot_until_it_is_done(
    engine: Engine, server: EndlessServer
) -> None:
    asking = [asyncio.create_task(engine.read("embedding", b"x")) for _ in range(2)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.wait({asking[0]})
    assert engine.running == 2
    server.allowed.set()
    assert await asking[1] == b"x"
    await engine.drained()
    assert await engine.read("embedding", b"y") == b"y"
