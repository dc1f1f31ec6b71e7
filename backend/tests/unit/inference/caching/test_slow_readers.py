"""How far the upstream is read ahead, what is held for those who read slowly, and when they are let go."""

import asyncio
from contextlib import aclosing

import pytest

from app.domain.errors import Overloaded
from app.domain.events import EventStream, Opaque, StreamEvent
from app.inference.caching.flight import HELD, READ_AHEAD
from app.testing.providers import ScriptedProvider
from tests.unit.inference.caching.room import HELLO, Room, asking, settle

PIECE = 8 * 1024
LONG: list[StreamEvent] = [Opaque("f", bytes([number]) * PIECE) for number in range(200)]  # 1.6 MiB
MUST_NOT_BE_KEPT = 128 * 1024


class Counted(ScriptedProvider):
    """Yields LONG. `given`: how many pieces were taken from it."""

    given = 0

    async def chat(self, exchange: object) -> EventStream:
        stream = await super().chat(exchange)  # type: ignore[arg-type]
        provider = self

        class Counting:
            def __aiter__(self) -> "Counting":
                return self

            async def __anext__(self) -> StreamEvent:
                event = await stream.__anext__()
                provider.given += 1
                return event

            async def aclose(self) -> None:
                await stream.aclose()

        return Counting()


@pytest.mark.parametrize("most_bytes", [MUST_NOT_BE_KEPT, 1 << 22])
async def test_the_upstream_waits_for_a_reader_that_is_alone(most_bytes: int) -> None:
    provider = Counted(LONG)
    room = Room(provider, most_bytes=most_bytes)
    async with aclosing(await room.router.open(asking())) as stream:
        for number in range(len(LONG)):
            assert await anext(aiter(stream)) == LONG[number]
            await settle()
            assert (provider.given - number) * PIECE <= READ_AHEAD + 2 * PIECE
    assert provider.given == len(LONG)


@pytest.mark.parametrize("most_bytes", [MUST_NOT_BE_KEPT, 2 * HELD])
async def test_a_slow_reader_holds_up_nobody_and_is_let_go_when_it_is_too_far_behind(most_bytes: int) -> None:
    provider = Counted(LONG)
    room = Room(provider, most_bytes=most_bytes)
    slow = await room.router.open(asking(id="slow"))
    fast = await room.router.open(asking(id="fast"))
    assert await anext(aiter(slow)) == LONG[0]
    assert [await anext(aiter(fast)) for _ in LONG[:-1]] == LONG[:-1]
    with pytest.raises(Overloaded, match="read too slowly"):
        await anext(aiter(slow))
    assert [event async for event in fast] == LONG[-1:]
    await slow.aclose()
    told = {each.id: (each.outcome, each.cached) for each in room.records}
    assert told == {"slow": ("unavailable", "coalesced"), "fast": ("ok", None)}
    await settle()
    assert (room.memory.size, room.idle()) == (0, True)


async def test_what_the_fastest_has_not_had_stays_however_much_comes_behind_it() -> None:
    events: list[StreamEvent] = [Opaque("f", b"a"), Opaque("f", b"b" * 2 * HELD), Opaque("f", b"c")]
    room = Room(ScriptedProvider(events), most_bytes=10)
    stream = await room.router.open(asking())
    await settle()
    assert [event async for event in stream] == events


async def test_when_the_fastest_leaves_the_next_one_gets_everything() -> None:
    provider = Counted(LONG)
    room = Room(provider, most_bytes=MUST_NOT_BE_KEPT)
    slow, fast = [await room.router.open(asking()) for _ in range(2)]
    for _ in range((HELD - READ_AHEAD) // PIECE - 2):
        await anext(aiter(fast))
    await fast.aclose()
    for piece in LONG:
        await settle()
        assert await anext(aiter(slow)) == piece


async def test_a_reader_that_is_a_little_behind_gets_everything() -> None:
    provider = Counted(LONG)
    room = Room(provider, most_bytes=MUST_NOT_BE_KEPT)
    behind = (HELD - READ_AHEAD) // PIECE - 1
    slow, fast = [await room.router.open(asking()) for _ in range(2)]
    for number in range(behind):
        assert await anext(aiter(fast)) == LONG[number]
    for number in range(behind, len(LONG)):
        assert await anext(aiter(fast)) == LONG[number]
        assert await anext(aiter(slow)) == LONG[number - behind]
    assert [event async for event in slow] == LONG[-behind:]
    assert [event async for event in fast] == []


async def test_an_answer_that_may_be_kept_waits_for_the_slowest() -> None:
    provider = Counted(LONG)
    room = Room(provider, most_bytes=1 << 22)
    slow = await room.router.open(asking())
    assert await room.ask() == LONG
    assert [event async for event in slow] == LONG


async def test_nobody_joins_an_answer_whose_beginning_is_gone() -> None:
    provider = Counted(LONG)
    room = Room(provider, most_bytes=MUST_NOT_BE_KEPT)
    async with aclosing(await room.router.open(asking())) as first:
        for _ in range(50):
            await anext(aiter(first))
        assert await room.ask() == LONG
        assert len(provider.exchanges) == 2


async def test_a_large_answer_that_does_not_stream_is_everybodys() -> None:
    large: list[StreamEvent] = [Opaque("f", b"x" * (2 * HELD), whole=True), HELLO[-1]]
    room = Room(ScriptedProvider(large), most_bytes=MUST_NOT_BE_KEPT)
    assert await asyncio.gather(*(room.ask(asking(stream=False)) for _ in range(5))) == [large] * 5
    assert room.told.count("miss") == 1
