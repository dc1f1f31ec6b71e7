"""What callers see of upstreams that die, err and come back: nothing, as long as one of them is well."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.inference.breaker import EARLY
from app.inference.policy import MAX_ATTEMPTS
from tests.unit.inference.outages import Life, Outcome, Upstream, World, in_made_up_time


def in_turn(pace: float, how: str) -> Life:
    """Every `pace` seconds the next one goes, and the one before is back."""

    async def life(upstreams: Sequence[Upstream]) -> None:
        turn = 0
        while True:
            await asyncio.sleep(pace)
            upstreams[turn - 1].live()
            turn = (turn + 1) % len(upstreams)
            getattr(upstreams[turn - 1], how)()

    return life


def none_seen(outcome: Outcome) -> None:
    assert not outcome.seen
    assert outcome.asked <= 1.2 * len(outcome.records) + 3
    assert max(record.attempts for record in outcome.records) <= MAX_ATTEMPTS


@pytest.mark.parametrize("how", ["die", "err"])
@pytest.mark.parametrize(
    ("pace", "seconds", "rate", "latency"),
    [
        (2.0, 5, 1000, 0.3),  # hundreds are under way at each death
        (1.5, 30, 100, 0.1),
        (0.3, 4, 500, 0.02),  # all three are shut out at once
        (0.1, 4, 500, 0.005),
        (1.0, 30, 10, 0.3),  # few earn few further tries
    ],
)
def test_nobody_sees_one_of_three_go_again_and_again(
    how: str, pace: float, seconds: int, rate: float, latency: float
) -> None:
    life = in_turn(pace, how)
    none_seen(in_made_up_time(World(3, latency).asked(life, int(rate * seconds), rate)))


class Fault(NamedTuple):
    who: int
    how: str
    well: float
    """Seconds that all are well before it."""
    gone: float


FAULTS = st.builds(Fault, st.integers(0, 2), st.sampled_from(["die", "err"]), st.floats(0, 1), st.floats(0.001, 2))


@settings(max_examples=25, deadline=None)
@given(faults=st.lists(FAULTS, min_size=1, max_size=8), count=st.integers(2, 4))
def test_nobody_sees_any_row_of_faults_of_which_each_is_one_upstreams(faults: list[Fault], count: int) -> None:
    async def life(upstreams: Sequence[Upstream]) -> None:
        for who, how, well, gone in faults:
            await asyncio.sleep(well)
            getattr(upstreams[who % count], how)()
            await asyncio.sleep(gone)
            upstreams[who % count].live()

    seconds = sum(fault.well + fault.gone for fault in faults) + 1
    none_seen(in_made_up_time(World(count, 0.02).asked(life, int(40 * seconds), 40)))


@pytest.mark.parametrize(("how", "seconds"), [("die", 0.0), ("err", 5.0)])
@pytest.mark.parametrize("gone", [0.5, 3.0, 30.0])
def test_when_all_were_gone_the_first_that_is_back_is_soon_found(how: str, seconds: float, gone: float) -> None:
    async def life(upstreams: Sequence[Upstream]) -> None:
        for each in upstreams:
            getattr(each, how)()
        await asyncio.sleep(gone)
        upstreams[1].live()

    outcome = in_made_up_time(World().asked(life, int(20 * (gone + 10)), 20))
    assert max(outcome.seen, default=0.0) <= gone + seconds
    answered = sum(record.outcome == "ok" for record in outcome.records)
    assert outcome.asked - answered <= 3 * (12 + gone / EARLY.maximum)  # those that err are hardly asked


def test_half_open_is_one_request_and_who_has_nowhere_else_to_go_waits_for_what_it_shows() -> None:
    async def happen() -> None:
        world = World(1, latency=3.0, retries=0)
        (upstream,) = world.upstreams
        upstream.err()
        await asyncio.gather(*(world.ask() for _ in range(5)))
        upstream.live()
        upstream.asked = 0
        waiting = [asyncio.ensure_future(world.ask()) for _ in range(20)]
        await asyncio.sleep(2.5)
        assert upstream.asked == 1
        assert all(await asyncio.gather(*waiting))
        assert upstream.asked == 20
        assert sum(record.tried[0].waited > 2.5 for record in world.records[5:]) == 19

    in_made_up_time(happen())


def test_a_probe_that_hangs_is_not_waited_for_without_end() -> None:
    async def happen() -> None:
        world = World(1, latency=30.0, retries=0)
        (upstream,) = world.upstreams
        upstream.err()
        await asyncio.gather(*(world.ask() for _ in range(5)))
        upstream.live()
        began = asyncio.get_running_loop().time()
        probe = asyncio.ensure_future(world.ask())
        await asyncio.sleep(1.0)
        assert not await world.ask()
        assert asyncio.get_running_loop().time() - began < 6
        assert not await world.ask()  # and the next one not at all
        assert asyncio.get_running_loop().time() - began < 6
        assert await probe
        assert await world.ask()

    in_made_up_time(happen())
