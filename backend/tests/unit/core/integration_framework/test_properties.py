"""Whatever plugins do and operators ask, only legal moves are made and everything comes to rest."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.integration_framework import (
    TRANSITIONS,
    HealthStatus,
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationNotReady,
    StateChanged,
)
from tests.unit.core.integration_framework.scripted import Platform, S, Scripted, World, config

NAMES = "abcd"


class Chaos:
    """Plugins that behave by lot. `calm` ends that: from then on all is well."""

    def __init__(self, seed: int) -> None:
        self.world = World()
        self.calm = False
        self._draw = random.Random(seed)
        for name in NAMES:
            self.world.initialize[name] = self._initialize
            self.world.shutdown[name] = self._shutdown

    def stir_health(self) -> None:
        for name in NAMES:
            self.world.health[name] = self._draw.choice(list(HealthStatus))

    async def _initialize(self, _: Scripted) -> None:
        if self.calm:
            return
        fate = self._draw.randrange(6)
        if fate == 0:
            raise IntegrationNotReady("chaos")
        if fate == 1:
            raise IntegrationAuthFailed("chaos")
        if fate == 2:
            raise ValueError("chaos")
        if fate == 3:
            await asyncio.Event().wait()

    async def _shutdown(self, _: Scripted) -> None:
        if not self.calm and self._draw.random() < 0.3:
            raise ValueError("chaos")


def wishes(draw: Callable[[st.SearchStrategy[list[str]]], list[str]], version: int) -> list[IntegrationConfig]:
    some = st.lists(st.sampled_from(NAMES), max_size=2, unique=True)
    return [
        config(name, *draw(some), health_check_interval=20, settings={"version": version if draw(some) else 0})
        for name in NAMES
        if len(draw(some)) < 2
    ]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_only_legal_moves_are_made_and_all_comes_to_rest(data: st.DataObject, seed: int) -> None:
    with no_defects():
        asyncio.run(_play(data, Chaos(seed)))


class Defects(logging.Handler):
    """Collects what the framework reports of itself, such as an IllegalTransition."""

    def __init__(self) -> None:
        super().__init__(logging.CRITICAL)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(f"{record.getMessage()}: {record.exc_info}")


@contextmanager
def no_defects() -> Iterator[None]:
    handler = Defects()
    logger = logging.getLogger("app.core.integration_framework")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert handler.found == []


def _must_be_legal(event: StateChanged) -> None:
    # A takeover tells of two instances, so it is no move.
    assert event.new in TRANSITIONS[event.old] or event.reason == "reconfigured", event


async def _play(data: st.DataObject, chaos: Chaos) -> None:
    first = [config(name, health_check_interval=20) for name in NAMES]
    platform = Platform(*first, world=chaos.world)
    moves: list[StateChanged] = []
    platform.manager.events.subscribe(StateChanged, moves.append)
    before = asyncio.all_tasks()
    await platform.start()
    for version in range(data.draw(st.integers(1, 4))):
        step = data.draw(st.sampled_from(["pass", "health", "restart", "reload"]))
        if step == "health":
            chaos.stir_health()
        elif step == "restart" and platform.manager.names():
            name = data.draw(st.sampled_from(platform.manager.names()))
            await platform.passing(platform.manager.restart(name), 400.0)
        elif step == "reload":
            await platform.passing(platform.manager.reconfigure(wishes(data.draw, version), drain=5.0), 400.0)
        await platform.clock.advance(50.0)
        _check_consistent(platform)

    await _recover(platform, chaos)
    chaos.calm = False
    await platform.passing(platform.manager.stop(), 400.0)
    assert set(platform.states().values()) <= {S.STOPPED}
    await platform.clock.settle()
    assert asyncio.all_tasks() == before
    for event in moves:
        _must_be_legal(event)


def _check_consistent(platform: Platform) -> None:
    states = platform.states()
    for status in platform.manager.status():
        if status.state.serves:
            assert all(states[name].serves for name in status.dependencies), status
        if status.state is S.RETRYING:
            assert status.next_retry_at is not None
        if status.state is S.BLOCKED:
            assert any(not states[name].serves for name in status.dependencies), status


async def _recover(platform: Platform, chaos: Chaos) -> None:
    """Once plugins behave, time alone releases all but what needs a person, and what that holds up."""
    chaos.calm = True
    chaos.world.health.clear()
    await platform.clock.advance(1000.0)
    states = platform.states()
    assert set(states.values()) <= {S.READY, S.FAILED, S.BLOCKED}
    _check_consistent(platform)
