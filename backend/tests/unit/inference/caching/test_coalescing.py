"""Equal requests at the same time: one upstream request, whoever comes, leaves, or reads slowly."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest

from app.domain.errors import DeadlineExceeded, Overloaded, PlatformError, UpstreamUnavailable
from app.domain.events import EventStream, Opaque, StreamEvent, TextDelta
from app.domain.usage import Usage
from app.inference.caching.flight import HELD, READ_AHEAD
from app.inference.policy import CachePolicy
from app.testing.providers import ScriptedProvider, Step
from tests.unit.inference.caching.room import ANN, BOB, FRAMES, HELLO, USAGE, Room, asking, settle

COST = 5 / 1e6


class Held(ScriptedProvider):
    """Begins once `begin` is set, and goes on after its first two events once `go` is."""

    def __init__(self, events: list[StreamEvent] = HELLO, *then: list[StreamEvent]) -> None:
        self.begin, self.go = asyncio.Event(), asyncio.Event()
        super().__init__([self.begin, *events[:2], self.go, *events[2:]], *then)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("answer", [HELLO, FRAMES], ids=["events", "frames"])
async def test_fifty_at_once_are_one_upstream_request(answer: list[StreamEvent], stream: bool) -> None:
    provider = Held(answer)
    room = Room(provider)
    waiting = [asyncio.create_task(room.ask(asking(stream=stream))) for _ in range(50)]
    await settle()
    provider.begin.set()
    provider.go.set()
    assert await asyncio.gather(*waiting) == [answer] * 50
    assert (len(provider.exchanges), provider.closed) == (1, 1)
    assert sorted(map(str, room.told)) == ["coalesced"] * 49 + ["miss"]
    assert await room.ask(asking(stream=stream)) is not None
    assert room.told[-1] == "hit"
    assert room.idle()


async def test_one_of_them_is_charged_the_one_that_asked_first() -> None:
    provider = Held()
    room = Room(provider)
    tasks = [asyncio.create_task(room.ask(asking(id=name))) for name in ("first", "second", "third")]
    await settle()
    provider.begin.set()
    provider.go.set()
    await asyncio.gather(*tasks)
    told = {each.id: (each.cached, each.attempts, each.integration, each.cost) for each in room.records}
    assert told.pop("first") == (None, 1, "scripted", COST)
    assert set(told.values()) == {("coalesced", 0, None, None)}
    assert [each.usage for each in room.records] == [USAGE] * 3


async def test_one_that_comes_late_gets_the_beginning_too() -> None:
    provider = Held()
    room = Room(provider)
    provider.begin.set()
    first = asyncio.create_task(room.ask())
    await settle()
    late = await room.router.open(asking())
    assert [await anext(aiter(late)) for _ in range(2)] == HELLO[:2]
    provider.go.set()
    assert [event async for event in late] == HELLO[2:]
    assert await first == HELLO
    assert len(provider.exchanges) == 1


@pytest.mark.parametrize("begun", [False, True], ids=["before the first event", "in mid-answer"])
async def test_the_first_may_leave_and_the_next_one_is_charged(begun: bool) -> None:
    provider = Held()
    room = Room(provider)
    if begun:
        provider.begin.set()
    leader = asyncio.create_task(room.ask(asking(id="leader")))
    await settle()
    follower = asyncio.create_task(room.ask(asking(id="follower")))
    await settle()
    leader.cancel()
    await asyncio.wait({leader})
    assert provider.closed == 0
    provider.begin.set()
    provider.go.set()
    assert await follower == HELLO
    told = {each.id: (each.outcome, each.cached, each.cost) for each in room.records}
    assert told == {"leader": ("cancelled", "coalesced", None), "follower": ("ok", None, COST)}
    assert room.records[-1].tried[0].integration == "scripted"
    assert await room.ask() == HELLO
    assert (room.told[-1], room.idle()) == ("hit", True)


@pytest.mark.parametrize("begun", [False, True], ids=["before the first event", "in mid-answer"])
async def test_when_all_have_left_the_upstream_is_closed_at_once(begun: bool) -> None:
    provider = Held()
    room = Room(provider)
    if begun:
        provider.begin.set()
    tasks = [asyncio.create_task(room.ask()) for _ in range(3)]
    await settle()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (provider.closed, room.idle()) == (1, True)
    assert [record.outcome for record in room.records] == ["cancelled"] * 3
    assert room.told.count("miss") == 1
    # A new request is not taken to the one that was given up.
    provider.begin.set()
    provider.go.set()
    assert await room.ask() == HELLO
    assert len(provider.exchanges) == 2


async def test_a_failure_before_the_first_event_is_everybodys_and_nobody_asks_again() -> None:
    begin = asyncio.Event()
    failing = ScriptedProvider([begin, UpstreamUnavailable("down", retry_after=3.0)], HELLO)
    room = Room(failing)
    tasks = [asyncio.create_task(room.ask()) for _ in range(20)]
    await settle()
    begin.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {(type(outcome), str(outcome), outcome.retry_after) for outcome in outcomes} == {  # type: ignore[union-attr]
        (UpstreamUnavailable, "down", 3.0)
    }
    assert (len(failing.exchanges), failing.closed) == (1, 1)
    assert {record.outcome for record in room.records} == {"unavailable"}
    assert room.told.count("miss") == 1


async def test_retries_were_made_before_a_failure_is_told() -> None:
    down: list[Step] = [UpstreamUnavailable("down")]
    first, second = ScriptedProvider(down, name="first"), ScriptedProvider(HELLO, name="second")
    room = Room(first, second)
    assert await asyncio.gather(room.ask(), room.ask()) == [HELLO, HELLO]
    assert (len(first.exchanges), len(second.exchanges)) == (1, 1)
    assert [record.attempts for record in room.paid()] == [2]


async def test_a_failure_in_mid_answer_is_everybodys() -> None:
    go = asyncio.Event()
    provider = ScriptedProvider([*HELLO[:2], go, UpstreamUnavailable("cut")])
    room = Room(provider)
    seen: list[list[StreamEvent]] = []

    async def read() -> None:
        events: list[StreamEvent] = []
        seen.append(events)
        async with aclosing(await room.router.open(asking())) as stream:
            async for event in stream:
                events.append(event)

    tasks = [asyncio.create_task(read()) for _ in range(3)]
    await settle()
    go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["cut"] * 3
    assert seen == [HELLO[:2]] * 3
    (charged,) = room.paid()
    assert (charged.usage, charged.attempts) == (Usage(input_tokens=3, output_tokens=2, estimated=True), 1)
    assert [record.cost for record in room.records if record is not charged] == [None, None]


@pytest.mark.parametrize(
    ("policy", "second", "asked"),
    [
        (CachePolicy(), lambda: asking(principal=BOB), 2),
        (CachePolicy(shared=True), lambda: asking(principal=BOB), 1),
        (CachePolicy(coalesce=False), asking, 2),
        (CachePolicy(), lambda: asking(cache_control="no-cache"), 2),
        (CachePolicy(), lambda: asking(cache_control="no-store"), 2),
        (CachePolicy(), lambda: asking(stream=False), 2),
        (CachePolicy(), lambda: asking(b'{"model":"m","seed":1}'), 2),
    ],
    ids=["another's", "another's, shared", "not wanted", "no-cache", "no-store", "not as a stream", "not equal"],
)
async def test_who_shares_with_whom(policy: CachePolicy, second: Callable[[], object], asked: int) -> None:
    begin = asyncio.Event()
    provider = ScriptedProvider([begin, *HELLO])
    room = Room(provider, policy=policy)
    tasks = [asyncio.create_task(room.ask(call)) for call in (asking(principal=ANN), second())]  # type: ignore[arg-type]
    await settle()
    assert len(provider.exchanges) == asked
    begin.set()
    assert await asyncio.gather(*tasks) == [HELLO] * 2


async def test_who_wants_no_kept_answer_may_still_be_joined() -> None:
    provider = Held()
    room = Room(provider)
    tasks = [asyncio.create_task(room.ask(asking(cache_control=wish))) for wish in ("no-cache", None)]
    await settle()
    provider.begin.set()
    provider.go.set()
    assert await asyncio.gather(*tasks) == [HELLO] * 2
    assert len(provider.exchanges) == 1


async def test_each_has_its_own_patience() -> None:
    provider = Held()
    room = Room(provider)
    loop = asyncio.get_running_loop()
    hasty = asyncio.create_task(room.ask(asking(id="hasty", deadline=loop.time() + 0.02)))
    await settle()
    patient = asyncio.create_task(room.ask(asking(id="patient")))
    with pytest.raises(DeadlineExceeded, match="The deadline that the caller set"):
        await hasty
    assert provider.closed == 0
    provider.begin.set()
    provider.go.set()
    assert await patient == HELLO
    assert [(each.id, each.outcome) for each in room.records] == [
        ("hasty", "deadline_exceeded"),
        ("patient", "ok"),
    ]


async def test_a_wait_in_line_is_told_to_the_one_who_asked() -> None:
    told: list[tuple[str, int]] = []
    provider = Held()
    room = Room(provider)
    (target,) = room.catalog.current.entry("m").targets
    target.vitals.slots.limit = 1
    first = asyncio.create_task(room.ask(asking(b'{"model":"m","seed":1}')))
    await settle()
    waiting = [
        asyncio.create_task(room.ask(asking(queued=lambda ahead, name=name: told.append((name, ahead)))))
        for name in ("a", "b")
    ]
    await settle()
    assert told == [("a", 0)]
    provider.begin.set()
    provider.go.set()
    await asyncio.gather(first, *waiting)
    assert room.idle()


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


async def test_a_slow_reader_holds_up_nobody_and_is_let_go_when_it_is_too_far_behind() -> None:
    provider = Counted(LONG)
    room = Room(provider, most_bytes=MUST_NOT_BE_KEPT)
    slow = await room.router.open(asking(id="slow"))
    fast = asyncio.create_task(room.ask(asking(id="fast")))
    assert await anext(aiter(slow)) == LONG[0]
    assert await fast == LONG
    with pytest.raises(Overloaded, match="read too slowly"):
        await anext(aiter(slow))
    await slow.aclose()
    told = {each.id: (each.outcome, each.cached) for each in room.records}
    assert told == {"fast": ("ok", None), "slow": ("unavailable", "coalesced")}
    assert room.idle()


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


async def test_a_pump_that_is_ended_from_outside_leaves_nobody_waiting() -> None:
    provider = Held()
    provider.begin.set()
    room = Room(provider)
    before = asyncio.all_tasks()
    reading = asyncio.create_task(room.ask())
    await settle()
    (pump,) = asyncio.all_tasks() - before - {reading}
    pump.cancel()
    with pytest.raises(PlatformError, match="being stopped"):
        await reading
    assert (provider.closed, room.idle()) == (1, True)


async def test_nothing_is_left_behind() -> None:
    before = asyncio.all_tasks()
    room = Room(ScriptedProvider([TextDelta(text="x")]))
    await asyncio.gather(*(room.ask() for _ in range(5)))
    assert asyncio.all_tasks() == before
    assert room.cache._flights == {}
