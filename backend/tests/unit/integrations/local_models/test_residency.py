import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from app.domain.errors import Overloaded, UpstreamUnavailable
from app.domain.models import ModelLoaded, ModelLoadFailed, ModelUnloaded
from app.integrations.model_platforms.local_models.registry import Fingerprint, LocalModel
from app.integrations.model_platforms.local_models.residency import Residency
from app.integrations.model_platforms.local_models.runtime import LoadFailed, Mode
from app.testing.clock import VirtualClock
from tests.unit.integrations.local_models.test_questions import model

IDLE = 900.0
A, B, C = (msgspec.structs.replace(model(), id=name) for name in "abc")


class Engine:
    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


class House:
    """A Residency over engines that are only told apart."""

    def __init__(self, *, idle: float = IDLE, places: int = 2) -> None:
        self.clock = VirtualClock()
        self.engines: list[Engine] = []
        self.changes = 0
        self.events: list[object] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.most_in_memory = 0
        self.residency = Residency(
            self._load,
            self._changed,
            self.clock,
            publish=self.events.append,
            provider="custom",
            idle_seconds=idle,
            places=places,
        )

    async def _load(self, model: LocalModel, mode: Mode) -> Engine:
        self.engines.append(Engine())
        await self.gate.wait()
        self.most_in_memory = max(self.most_in_memory, sum(not engine.closed for engine in self.engines))
        if self.failure is not None:
            raise self.failure
        return self.engines[-1]

    def _changed(self) -> None:
        self.changes += 1

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
    assert house.changes == 1


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
    assert house.changes == 2


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


async def test_no_room_while_all_work(house: House) -> None:
    tenants = [await house.residency.enter(one, "generation") for one in (A, B)]
    with pytest.raises(Overloaded, match="No room for the local model 'c'") as caught:
        await house.residency.enter(C, "generation")
    assert caught.value.retry_after == 1.0
    for tenant in tenants:
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
    await house.use(msgspec.structs.replace(A, fingerprint=Fingerprint(2, 2, 2)))
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
    await house.use(msgspec.structs.replace(A, fingerprint=Fingerprint(2, 2, 2)))


async def test_closing_waits_for_nobody_and_loads_nothing_more(house: House) -> None:
    await house.residency.enter(A, "generation")
    await house.residency.close()
    assert house.engines[0].closed == 1
    with pytest.raises(UpstreamUnavailable, match="stopping"):
        await house.use(B)
