"""Integrations that do as a test says, and a manager on a virtual clock to run them."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from app.core.integration_framework import (
    BaseIntegration,
    HealthReport,
    HealthStatus,
    IntegrationConfig,
    IntegrationManager,
    IntegrationState,
    Reference,
    Registry,
    StateChanged,
)
from app.testing.clock import VirtualClock
from app.testing.faults import FaultIntegration

T = TypeVar("T")
S = IntegrationState

Act = Callable[["Scripted"], Awaitable[None]]


class World:
    """What the scripted integrations do, by name, and what they did. Unmentioned ones do nothing and are well."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []
        self.initialize: dict[str, Act] = {}
        self.shutdown: dict[str, Act] = {}
        self.health: dict[str, HealthStatus] = {}
        self.busy: dict[str, Callable[[], bool]] = {}

    def did(self, method: str) -> list[str]:
        return [name for done, name in self.log if done == method]


class AnySettings(BaseModel):
    model_config = ConfigDict(extra="allow")


class Scripted(BaseIntegration):
    settings_model = AnySettings

    @property
    def busy(self) -> bool:
        return self._world.busy.get(self.name, lambda: True)()

    async def initialize(self) -> None:
        await self._act("initialize", self._world.initialize)

    async def health_check(self) -> HealthReport | None:
        status = self._world.health.get(self.name)
        return HealthReport(status, f"scripted {status}") if status else None

    async def shutdown(self) -> None:
        await self._act("shutdown", self._world.shutdown)

    async def _act(self, method: str, acts: dict[str, Act]) -> None:
        self._world.log.append((method, self.name))
        if act := acts.get(self.name):
            await act(self)

    @property
    def _world(self) -> World:
        return self.context.resource(World)


class Exclusive(Scripted):
    exclusive = True


class Longest(random.Random):
    """Draws the upper end of each range, so that waits are known."""

    def uniform(self, a: float, b: float) -> float:
        return b


def config(name: str, *dependencies: str, **fields: Any) -> IntegrationConfig:
    fields = {"kind": "scripted", "health_check_interval": 0, **fields}
    return IntegrationConfig(name=name, dependencies=list(dependencies), **fields)


def raising(error: Exception, times: int | None = None) -> Act:
    """Raise, the first `times` times or always."""
    count = 0

    async def act(_: Scripted) -> None:
        nonlocal count
        count += 1
        if times is None or count <= times:
            raise error

    return act


class Platform:
    """A manager under test. `moves` are all state changes it told, as (name, old, new)."""

    def __init__(self, *configs: IntegrationConfig, world: World | None = None) -> None:
        self.clock = VirtualClock()
        self.world = world or World()
        kinds: dict[str, Reference] = {
            "scripted": Scripted,
            "exclusive": Exclusive,
            "fault": FaultIntegration,
            "faulty_import": "app.testing.faulty_import:FaultyImportIntegration",
        }
        self.manager = IntegrationManager(
            Registry(kinds, installed=tuple),
            configs,
            resources={World: self.world},
            clock=self.clock,
            random=Longest(),
        )
        self.moves: list[tuple[str, S, S]] = []
        self.manager.events.subscribe(StateChanged, lambda e: self.moves.append((e.name, e.old, e.new)))

    async def start(self) -> None:
        await self.passing(self.manager.start(), 5.0)

    async def passing(self, work: Coroutine[Any, Any, T], seconds: float = 0.0) -> T:
        """Run `work` while `seconds` pass. Fails when it takes longer."""
        task = asyncio.create_task(work)
        await self.clock.advance(seconds)
        if not task.done():
            task.cancel()
            raise AssertionError(f"not finished within {seconds} virtual seconds")
        return task.result()

    def states(self) -> dict[str, S]:
        return {status.name: status.state for status in self.manager.status()}

    def state(self, name: str) -> S:
        return self.manager.status_of(name).state

    async def __aenter__(self) -> "Platform":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.passing(self.manager.stop(), 300.0)
