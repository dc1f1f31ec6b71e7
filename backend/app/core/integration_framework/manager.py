"""The integrations of one platform, as everything outside the framework sees them."""

import asyncio
import logging
import random as randomness
from collections.abc import Callable, Coroutine, Iterable, Mapping
from itertools import chain
from typing import Any, TypeVar

from app.core.clock import Clock, SystemClock
from app.core.integration_framework.base import BaseIntegration
from app.core.integration_framework.calls import PluginCalls
from app.core.integration_framework.discovery import Registry
from app.core.integration_framework.errors import IntegrationDisabled, IntegrationNotLoaded
from app.core.integration_framework.events import EventPublisher
from app.core.integration_framework.fleet import Fleet, by_name
from app.core.integration_framework.reconfigure import Reconfiguration, bring_up, take_down
from app.core.integration_framework.state import IntegrationState
from app.core.integration_framework.supervisor import Environment, Supervisor
from app.core.integration_framework.types import (
    HealthThresholds,
    IntegrationConfig,
    IntegrationStatus,
    Timeouts,
)

T = TypeVar("T")

START_GRACE = 5.0
"""Seconds that start(), restart() and reconfigure() wait for integrations to settle. Slower ones come up later."""

DRAIN = 600.0
"""Seconds that an instance which was replaced or removed has, at most, for the requests still on it."""

_log = logging.getLogger(__name__)
_RESTING = frozenset(
    {IntegrationState.BLOCKED, IntegrationState.FAILED, IntegrationState.DISABLED, IntegrationState.STOPPED}
)


class IntegrationManager:
    """Starts, watches and stops integrations; none of them can hold up or break another.

    `events` tells StateChanged, HealthChecked and whatever plugins publish. To be used in one event loop.
    """

    def __init__(
        self,
        registry: Registry,
        configs: Iterable[IntegrationConfig] = (),
        *,
        resources: Mapping[type[Any], object] | None = None,
        clock: Clock | None = None,
        random: randomness.Random | None = None,
        timeouts: Timeouts | None = None,
        thresholds: HealthThresholds | None = None,
    ) -> None:
        """`resources`: objects that plugins get by type. Raises IntegrationConfigError when two share a name."""
        clock = clock or SystemClock()
        environment = Environment(
            registry=registry,
            clock=clock,
            random=random or randomness.SystemRandom(),
            timeouts=timeouts or Timeouts(),
            thresholds=thresholds or HealthThresholds(),
            calls=PluginCalls(clock),
        )
        self._resources: dict[type[Any], object] = dict(resources or {})
        self._fleet = Fleet(environment, self._resources)
        self._changing = asyncio.Lock()
        self._operations: set[asyncio.Task[Any]] = set()
        self._going = False
        for config in by_name(configs).values():
            self._fleet.admit(self._fleet.build(config))
        self._fleet.rewire()

    @property
    def events(self) -> EventPublisher:
        return self._fleet.events

    def share(self, cls: type[T], resource: T) -> None:
        """Let plugins have `resource` by `context.resource(cls)`, from now on."""
        self._resources[cls] = resource

    # What there is.

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._fleet.supervisors))

    def get_integration(self, name: str) -> BaseIntegration:
        """The instance of that name, whether it serves or not: the present one, or the last while it is down.

        Ask each time: retries and reloads exchange it. Raises UnknownIntegration (a KeyError), and
        IntegrationNotLoaded (a LookupError) when there never was an instance.
        """
        supervisor = self._fleet.find(name)
        if supervisor.instance is None:
            because = f": {supervisor.reason}" if supervisor.reason else ""
            raise IntegrationNotLoaded(f"{name} is {supervisor.state}{because}")
        return supervisor.instance

    def providing(self, port: type[T]) -> list[T]:
        """The serving integrations that satisfy a runtime-checkable protocol, by priority, then by name."""
        serving = [one for one in self._fleet.supervisors.values() if one.state.serves]
        serving.sort(key=_rank)
        return [found for one in serving if (found := _as_port(one.instance, port)) is not None]

    def serves(self, name: str) -> bool:
        """Whether it is READY or DEGRADED; False for a name that nobody has. Cheap enough for every request."""
        supervisor = self._fleet.supervisors.get(name)
        return supervisor is not None and supervisor.state.serves

    def instances(self) -> list[BaseIntegration]:
        """Every instance there is now, serving or not, by name."""
        supervisors = (self._fleet.supervisors[name] for name in self.names())
        return [one.instance for one in supervisors if one.instance is not None]

    def status(self) -> list[IntegrationStatus]:
        """Every integration, also disabled ones, by name."""
        return [self.status_of(name) for name in self.names()]

    def status_of(self, name: str) -> IntegrationStatus:
        """Raises UnknownIntegration."""
        return self._fleet.find(name).status(self._fleet.graph.dependents.get(name, ()))

    # What can be done.

    async def start(self, *, grace: float = START_GRACE) -> None:
        """Start all that is enabled, side by side. Returns when each has settled, after `grace` seconds at most;
        one that is slower comes up in the background. Never raises for an integration's sake: see status().
        """
        async with self._changing:
            self._going = True
            for supervisor in self._in_order():
                supervisor.start()
            await self._settle(self.names(), grace)

    async def stop(self) -> dict[str, Exception]:
        """Shut all down, dependents first. Returns what went wrong, by name; never raises half way."""
        self._going = False
        self._fleet.notify()
        async with self._changing:
            return await self._fleet.stop()

    async def restart(self, name: str, *, grace: float = START_GRACE) -> None:
        """Shut it down and start it again with a new instance; all that depends on it is BLOCKED meanwhile.

        Raises UnknownIntegration, IntegrationDisabled.
        """
        await self._undivided(self._restart(name, grace))

    async def reconfigure(
        self,
        configs: Iterable[IntegrationConfig],
        *,
        grace: float = START_GRACE,
        drain: float = DRAIN,
        switch: Callable[[], None] = lambda: None,
    ) -> Reconfiguration:
        """Run these integrations from now on; see reconfigure.py for how. Raises IntegrationConfigError, before
        anything is touched, when two share a name.

        `switch` is called when the new ones serve, or had `grace` seconds for it, and the removed ones still do:
        the moment to send requests elsewhere.
        """
        wanted = by_name(configs)
        return await self._undivided(self._reconfigure(wanted, grace, drain, switch))

    async def _undivided(self, operation: Coroutine[Any, Any, T]) -> T:
        """Let it come to its end although its caller is cancelled, as by a client that leaves."""
        task = asyncio.create_task(operation)
        self._operations.add(task)
        task.add_done_callback(self._operations.discard)
        return await asyncio.shield(task)

    async def _restart(self, name: str, grace: float) -> None:
        async with self._changing:
            supervisor = self._fleet.find(name)
            if supervisor.state is IntegrationState.DISABLED:
                raise IntegrationDisabled(f"{name} is disabled")
            above = self._fleet.graph.above(name)
            try:
                for wave in reversed(above):
                    await self._hold(wave, f"waits for {name}, which is restarting")
                await supervisor.stop("restarting")
                if self._going:
                    supervisor.start()
            finally:
                self._release()
            await self._settle([name, *chain.from_iterable(above)], grace)

    async def _reconfigure(
        self,
        wanted: Mapping[str, IntegrationConfig],
        grace: float,
        drain: float,
        switch: Callable[[], None],
    ) -> Reconfiguration:
        async with self._changing:
            summary = await bring_up(self._fleet, wanted, lambda: self._going, drain=drain)
            await self._settle([*summary.added, *summary.changed], grace)
            switch()
            take_down(self._fleet, summary, drain=drain)
            return summary

    async def _settle(self, names: Iterable[str], grace: float) -> None:
        supervisors = [self._fleet.find(name) for name in names]

        def settled() -> bool:
            return not self._going or all(self._fleet.settled(one) for one in supervisors)

        if not await self._fleet.until(settled, grace):
            slow = ", ".join(one.name for one in supervisors if not self._fleet.settled(one))
            _log.info("after %g s these are still starting: %s", grace, slow)

    async def _hold(self, names: Iterable[str], reason: str) -> None:
        held = [self._fleet.find(name) for name in names]
        for supervisor in held:
            self._fleet.held[supervisor.name] = reason
            supervisor.wake()
        await self._fleet.until(lambda: not self._going or all(one.state in _RESTING for one in held))

    def _release(self) -> None:
        self._fleet.held.clear()
        self._fleet.rewire()

    def _in_order(self) -> list[Supervisor]:
        waves = ([self._fleet.supervisors[name] for name in wave] for wave in self._fleet.graph.waves)
        return [one for wave in waves for one in sorted(wave, key=_rank)]


def _rank(supervisor: Supervisor) -> tuple[int, str]:
    return supervisor.config.priority, supervisor.name


def _as_port(instance: BaseIntegration | None, port: type[T]) -> T | None:
    try:
        return instance if isinstance(instance, port) else None
    except Exception:
        # Checking a port reads the instance's properties, which may raise anything.
        _log.exception("%s could not be asked for %s", type(instance).__name__, port.__name__)
        return None
