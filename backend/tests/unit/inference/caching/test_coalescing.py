"""Equal requests at the same time: one upstream request, whoever comes, leaves, or reads slowly."""

import asyncio
import traceback
from collections.abc import Callable
from contextlib import aclosing

import pytest

from app.domain.errors import DeadlineExceeded, PlatformError, UpstreamUnavailable
from app.domain.events import EventStream, StreamEvent, TextDelta
from app.domain.usage import Usage
from app.inference.caching.flight import Flight
from app.inference.call import Call
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
    assert (charged.usage, charged.attempts) == (Usage(input_tokens=4, output_tokens=2, estimated=True), 1)
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


class SlowToClose(ScriptedProvider):
    """Takes until `may_close` to let go of a stream."""

    def __init__(self, *scripts: list[Step]) -> None:
        super().__init__(*scripts)
        self.may_close = asyncio.Event()

    async def chat(self, exchange: object) -> EventStream:
        stream = await super().chat(exchange)  # type: ignore[arg-type]
        provider = self

        class Closing:
            def __aiter__(self) -> "Closing":
                return self

            async def __anext__(self) -> StreamEvent:
                return await stream.__anext__()

            async def aclose(self) -> None:
                await provider.may_close.wait()
                await stream.aclose()

        return Closing()


@pytest.mark.parametrize("begun", [False, True], ids=["before the first event", "in mid-answer"])
async def test_leaving_is_over_when_the_upstream_is_closed_and_nobody_joins_one_that_is_given_up(
    begun: bool,
) -> None:
    provider = SlowToClose([*HELLO[: 1 if begun else 0], asyncio.Event()], [*HELLO])
    room = Room(provider)
    leaving = asyncio.create_task(room.ask())
    await settle()
    leaving.cancel()
    await settle()
    assert not leaving.done()
    assert await _first(room) == HELLO[0]
    provider.may_close.set()
    await asyncio.wait({leaving})
    assert len(provider.exchanges) == 2


async def _first(room: Room) -> StreamEvent:
    return await anext(aiter(await room.router.open(asking())))


async def test_one_that_ends_takes_no_other_with_it() -> None:
    begins = [asyncio.Event(), asyncio.Event()]
    provider = ScriptedProvider(*([begin, *HELLO] for begin in begins))
    room = Room(provider)
    first, second = [asyncio.create_task(room.ask(asking(cache_control="no-cache"))) for _ in begins]
    await settle()
    begins[0].set()
    assert await first == HELLO
    room.memory.limit = 0
    third = asyncio.create_task(room.ask())
    await settle()
    begins[1].set()
    assert (await second, await third) == (HELLO, HELLO)
    assert (len(provider.exchanges), room.cache._flights) == (2, {})


async def test_who_has_read_the_frames_with_the_end_is_charged_there_and_then() -> None:
    provider = Held(FRAMES)
    provider.begin.set()
    provider.go.set()
    room = Room(provider)
    slow, fast = [await room.router.open(asking(id=name)) for name in ("slow", "fast")]
    for _ in FRAMES:
        await anext(aiter(fast))
    assert [(each.id, each.cached, each.cost) for each in room.records] == [("fast", None, COST)]
    assert [event async for event in slow] == FRAMES
    assert [(each.id, each.cached, each.cost) for each in room.records[1:]] == [("slow", "coalesced", None)]


async def test_a_failure_told_to_many_does_not_grow() -> None:
    provider = ScriptedProvider([go := asyncio.Event(), UpstreamUnavailable("down")])
    room = Room(provider)
    tasks = [asyncio.create_task(room.ask()) for _ in range(30)]
    await settle()
    go.set()
    (error, *_) = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(error, UpstreamUnavailable)
    assert len(list(traceback.walk_tb(error.__traceback__))) < 20


async def test_what_waits_for_the_end_of_a_call_hears_of_it_also_when_it_never_began() -> None:
    heard: list[BaseException | None] = []

    async def proceed(call: Call) -> EventStream:
        call.at_end.append(lambda error, usage: heard.append(error))
        raise UpstreamUnavailable("down")

    async def keep(call: Call, events: list[StreamEvent]) -> None:
        raise AssertionError

    with pytest.raises(UpstreamUnavailable):
        await Flight(asking(), proceed, 0, keep, lambda flight: None).join(asking()).begun()
    assert [str(error) for error in heard] == ["down"]


async def test_nothing_is_left_behind() -> None:
    before = asyncio.all_tasks()
    room = Room(ScriptedProvider([TextDelta(text="x")]))
    await asyncio.gather(*(room.ask() for _ in range(5)))
    assert asyncio.all_tasks() == before
    assert room.cache._flights == {}
