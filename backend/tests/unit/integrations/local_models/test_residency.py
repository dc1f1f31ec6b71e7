import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from app.domain.errors import Overloaded, UpstreamUnavailable
from app.domain.models import ModelLoaded, ModelLoadFailed, ModelUnloaded
from app.integrations.model_platforms.local_models.folder import Mark
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.residency import Residency
from app.integrations.model_platforms.local_models.room import Room
from app.integrations.model_platforms.local_models.runtime import LoadFailed, Mode
from app.integrations.model_platforms.local_models.tenants import Arrival, GivenUp
from app.testing.clock import VirtualClock
from tests.unit.integrations.local_models.test_questions import model

IDLE, PATIENCE = 900.0, 30.0
A, B, C = (msgspec.structs.replace(model(), id=name) for name in "abc")


class Engine:
    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


class House:
    """A Residency over engines that are only told apart."""

    def __init__(self, *, idle: float = IDLE, places: int = 2, budget: int = 1000) -> None:
        self.clock = VirtualClock()
        self.engines: list[Engine] = []
        self.changes = 0
        self.events: list[object] = []
        self.arrivals: list[Arrival] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.most_in_memory = 0
        self.residency = Residency(
            self,
            self._changed,
            self.clock,
            publish=self.events.append,
            provider="custom",
            idle_seconds=idle,
            room=Room(places=places, budget=lambda: budget, need=self._need, patience=PATIENCE),
        )

    def _need(self, model: LocalModel) -> int:
        return model.size_bytes

    location = "cpu"

    async def look(self) -> None: ...

    async def prepare(self, model: LocalModel, arrival: Arrival) -> Path:
        return model.path

    async def open(self, model: LocalModel, mode: Mode, path: Path, arrival: Arrival) -> Engine:
        self.arrivals.append(arrival)
        await self.gate.wait()
        self.engines.append(Engine())
        self.most_in_memory = max(self.most_in_memory, sum(not engine.closed for engine in self.engines))
        if self.failure is not None:
            raise self.failure
        return self.engines[-1]

    def _changed(self) -> None:
        self.changes += 1
        if self.events and isinstance(self.events[-1], ModelUnloaded):
            self.has_left()

    def has_left(self) -> None: ...

    async def use(self, model: LocalModel) -> None:
        (await self.residency.enter(model, "generation")).leave()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.residency.close()


async def test_many_at_once_cause_one_load(house: House) -> None:
    house.gate.clear()
    waiting = [asyncio.create_task(house.use(A)) for _ in range(20)]
    await house.clock.settle()
    house.gate.set()
    await asyncio.gather(*waiting)
    assert len(house.engines) == 1
    assert house.changes == 2


async def test_who_gives_up_does_not_stop_the_load_for_others(house: House) -> None:
    house.gate.clear()
    leaver, stayer = (asyncio.create_task(house.use(A)) for _ in range(2))
    await house.clock.settle()
    leaver.cancel()
    await house.clock.settle()
    assert leaver.cancelled()
    house.gate.set()
    await stayer
    assert len(house.engines) == 1


async def test_who_asks_as_it_leaves_gets_it_anew(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right before the end of its departure is known: whoever waits for that must let the loop go on."""
    await house.use(A)
    asked: list[asyncio.Task[None]] = []
    monkeypatch.setattr(house, "has_left", lambda: asked.append(asyncio.create_task(house.use(A))))
    await house.residency.unload("a")
    async with asyncio.timeout(5):
        await asked[0]
    assert [engine.closed for engine in house.engines] == [1, 0]


async def test_both_modes_of_a_model_live_side_by_side(house: House) -> None:
    await house.use(A)
    (await house.residency.enter(A, "embedding")).leave()
    assert house.residency.loaded() == {"a": ["generation", "embedding"]}


async def test_an_unused_model_leaves(house: House) -> None:
    await house.use(A)
    await house.clock.advance(IDLE - 1)
    await house.use(A)
    await house.clock.advance(IDLE - 1)
    assert house.residency.loaded() == {"a": ["generation"]}
    await house.clock.advance(1)
    assert house.residency.loaded() == {}
    assert house.engines[0].closed == 1
    assert house.changes == 3


async def test_a_model_in_use_stays(house: House) -> None:
    tenant = await house.residency.enter(A, "generation")
    await house.clock.advance(IDLE * 5)
    assert house.engines[0].closed == 0
    tenant.leave()
    await house.clock.advance(IDLE)
    assert house.engines[0].closed == 1


async def test_no_limit_keeps_it() -> None:
    house = House(idle=0)
    await house.use(A)
    await house.clock.advance(1e9)
    assert house.residency.loaded() == {"a": ["generation"]}
    await house.residency.close()


async def test_unload_waits_for_users_and_newcomers_load_anew(house: House) -> None:
    tenant = await house.residency.enter(A, "generation")
    leaving = asyncio.create_task(house.residency.unload("a"))
    newcomer = asyncio.create_task(house.use(A))
    await house.clock.settle()
    assert not leaving.done()
    assert not newcomer.done()
    tenant.leave()
    await asyncio.gather(leaving, newcomer)
    assert [engine.closed for engine in house.engines] == [1, 0]


async def test_the_longest_unused_makes_room(house: House) -> None:
    for one in (A, B, A, C):
        await house.clock.advance(1)
        await house.use(one)
    await house.clock.settle()
    assert set(house.residency.loaded()) == {"a", "c"}


async def test_a_newcomer_waits_until_somebody_has_done(house: House) -> None:
    """The one that was asked for the longest ago leaves after its answers; who wants it then comes after."""
    at_work = [await house.residency.enter(one, "generation") for one in (A, B)]
    newcomer = asyncio.create_task(house.use(C))
    await house.clock.settle()
    again = asyncio.create_task(house.use(A))
    await house.clock.settle()
    assert not newcomer.done()
    assert not again.done()
    at_work[0].leave()
    await newcomer
    assert [engine.closed for engine in house.engines] == [1, 0, 0]
    await again
    assert [engine.closed for engine in house.engines] == [1, 0, 1, 0]
    at_work[1].leave()
    assert house.most_in_memory == 2


async def test_whoever_is_unused_first_makes_room(house: House) -> None:
    """Also after another one was told to leave that is at work for long."""
    at_work = [await house.residency.enter(one, "generation") for one in (A, B)]
    newcomer = asyncio.create_task(house.use(C))
    await house.clock.settle()
    at_work[1].leave()
    await newcomer
    assert [engine.closed for engine in house.engines] == [0, 1, 0]
    at_work[0].leave()


async def test_a_load_that_is_given_up_before_it_began_is_told_as_any_other(house: House) -> None:
    waiting = asyncio.ensure_future(house.use(A))
    await asyncio.sleep(0)
    assert house.residency.loading() == {"a"}
    house.residency.dismiss("a")
    with pytest.raises(UpstreamUnavailable, match="its loading was stopped"):
        await waiting
    assert house.engines == []


async def test_a_newcomer_does_not_wait_for_ever(house: House) -> None:
    for one in (A, B):
        await house.residency.enter(one, "generation")
    newcomer = asyncio.create_task(house.use(C))
    await house.clock.advance(PATIENCE)
    with pytest.raises(
        Overloaded, match="for the local model 'c': in memory are a, b, and all are at work"
    ) as caught:
        await newcomer
    assert caught.value.retry_after == 1.0


async def test_what_is_pinned_stays(house: House) -> None:
    for one in (A, B):
        await house.use(one)
    house.residency.pin("a")
    await house.use(C)
    assert set(house.residency.loaded()) == {"a", "c"}
    house.residency.pin("c")
    with pytest.raises(Overloaded, match="all are pinned"):
        await house.use(B)
    await house.clock.advance(IDLE * 2)
    assert set(house.residency.loaded()) == {"a", "c"}
    house.residency.pin("a", False)
    await house.use(B)
    assert set(house.residency.loaded()) == {"b", "c"}
    await house.residency.unload("c")
    assert set(house.residency.loaded()) == {"b"}


async def test_memory_is_kept_to_its_budget() -> None:
    house = House(places=9, budget=10)
    small, large, huge = (msgspec.structs.replace(A, id=f"{size}", size_bytes=size) for size in (4, 8, 11))
    await house.use(small)
    await house.use(msgspec.structs.replace(small, id="other"))
    assert set(house.residency.loaded()) == {"4", "other"}
    await house.use(large)
    assert set(house.residency.loaded()) == {"8"}
    await house.use(small)
    assert set(house.residency.loaded()) == {"4"}
    with pytest.raises(
        UpstreamUnavailable, match="takes about 0 MiB of memory, and all models may take 0 together"
    ):
        await house.use(huge)
    assert set(house.residency.loaded()) == {"4"}
    await house.residency.close()


@pytest.mark.parametrize("at_once", [1, 2, 3, 8])
async def test_everybody_comes_in_where_there_is_room_for_one(at_once: int) -> None:
    house = House(places=1)

    async def ask(one: LocalModel) -> None:
        tenant = await house.residency.enter(one, "generation")
        assert not tenant.engine.closed  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        tenant.leave()

    asked = [(A, B, C)[number % 3] for number in range(24)]
    for start in range(0, len(asked), at_once):
        await asyncio.gather(*(ask(one) for one in asked[start : start + at_once]))
    assert house.most_in_memory == 1
    await house.residency.close()


async def test_a_load_under_way_is_seen_and_can_be_given_up(house: House) -> None:
    house.gate.clear()
    waiting = [asyncio.create_task(house.use(A)) for _ in range(2)]
    await house.clock.settle()
    arrival = house.arrivals[0]
    arrival.told("reading", 0.25)
    (seen,) = house.residency.residents()
    assert (seen.model, seen.status, seen.stage, seen.fraction) == ("a", "loading", "reading", 0.25)
    assert house.residency.loading() == {"a"}
    await house.residency.unload("a")
    for task in waiting:
        with pytest.raises(UpstreamUnavailable, match="its loading was stopped"):
            await task
    with pytest.raises(GivenUp):
        arrival.told("reading", 0.5)
    assert house.residency.residents() == []
    house.gate.set()
    await house.use(A)  # at once: this was no failure
    assert house.events == [ModelLoaded(integration="custom", model="a", seconds=0.0)]


async def test_what_is_told_of_a_resident(house: House) -> None:
    tenant = await house.residency.enter(A, "generation")
    began = house.clock.now()
    await house.clock.advance(5)
    (seen,) = house.residency.residents()
    assert (seen.status, seen.mode, seen.users, seen.memory_bytes, seen.pinned) == (
        "loaded",
        "generation",
        1,
        1,
        False,
    )
    assert (seen.since, seen.last_used, seen.expires) == (began, began + 5, None)
    tenant.leave()
    await house.clock.advance(2)
    (seen,) = house.residency.residents()
    assert (seen.last_used, seen.expires) == (began + 5, began + 5 + IDLE)
    house.residency.pin("a")
    tenant.enter()
    house.residency.dismiss("a")
    (seen,) = house.residency.residents()
    assert (seen.status, seen.pinned, seen.expires) == ("leaving", True, None)
    tenant.leave()


async def test_a_newcomer_waits_until_its_place_is_left() -> None:
    house = House(places=1)
    tenant = await house.residency.enter(A, "generation")
    house.residency.dismiss("a")
    newcomers = [asyncio.create_task(house.use(B)) for _ in range(2)]
    await house.clock.settle()
    assert len(house.engines) == 1
    newcomers[0].cancel()
    tenant.leave()
    await newcomers[1]
    assert house.most_in_memory == 1
    assert [engine.closed for engine in house.engines] == [1, 0]
    await house.residency.close()


async def test_swapping_models_never_holds_more_than_there_are_places(house: House) -> None:
    for one in (A, B, C, A, C, B):
        await house.use(one)
    assert house.most_in_memory == 2
    house.gate.clear()
    swaps = [asyncio.create_task(house.use(msgspec.structs.replace(A, id=name))) for name in "de"]
    await house.clock.settle()
    house.gate.set()
    await asyncio.gather(*swaps)
    assert house.most_in_memory == 2


async def test_closing_turns_away_who_waits_for_a_place() -> None:
    house = House(places=1)
    await house.residency.enter(A, "generation")
    house.residency.dismiss("a")
    newcomer = asyncio.create_task(house.use(B))
    await house.clock.settle()
    async with asyncio.timeout(5):
        await house.residency.close()
    with pytest.raises(UpstreamUnavailable, match="stopping"):
        await newcomer
    assert [engine.closed for engine in house.engines] == [1]


async def test_an_exchanged_file_is_loaded_anew(house: House) -> None:
    await house.use(A)
    await house.use(msgspec.structs.replace(A, marks=(Mark(2, 2, 2),)))
    assert [engine.closed for engine in house.engines] == [1, 0]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(LoadFailed("it is cut short"), "it is cut short"), (OSError(13, "Permission denied"), "Permission denied")],
)
async def test_a_failed_load_is_told_and_not_repeated_at_once(
    house: House, failure: Exception, reason: str
) -> None:
    house.failure = failure
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable, match=f"'a' cannot be loaded: {reason}") as caught:
            await house.use(A)
        assert caught.value.provider == "custom"
        assert caught.value.retry_after == 1.0
    assert len(house.engines) == 1
    await house.clock.advance(1.0)
    house.failure = None
    await house.use(A)
    assert len(house.engines) == 2


async def test_what_comes_goes_and_fails_is_told_with_its_time(house: House) -> None:
    house.gate.clear()
    coming = asyncio.create_task(house.use(A))
    await house.clock.advance(3)
    house.gate.set()
    await coming
    await house.clock.advance(7)
    await house.residency.unload("a")
    house.failure = LoadFailed("broken")
    with pytest.raises(UpstreamUnavailable):
        await house.use(B)
    assert house.events == [
        ModelLoaded(integration="custom", model="a", seconds=3.0),
        ModelUnloaded(integration="custom", model="a", seconds=7.0),
        ModelLoadFailed(integration="custom", model="b", seconds=0.0),
    ]


async def test_a_mended_file_is_tried_at_once(house: House) -> None:
    house.failure = LoadFailed("broken")
    with pytest.raises(UpstreamUnavailable):
        await house.use(A)
    house.failure = None
    await house.use(msgspec.structs.replace(A, marks=(Mark(2, 2, 2),)))


async def test_closing_waits_for_nobody_and_loads_nothing_more(house: House) -> None:
    await house.residency.enter(A, "generation")
    await house.residency.close()
    assert house.engines[0].closed == 1
    with pytest.raises(UpstreamUnavailable, match="stopping"):
        await house.use(B)
