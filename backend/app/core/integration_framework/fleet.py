"""All supervisors together: who stands in whose way, who is told what, and in which order they go down.

The operator's operations (start, restart, reload, …) are in manager.py and reconfigure.py.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.core.clock import finished_within
from app.core.integration_framework.base import BaseIntegration
from app.core.integration_framework.context import IntegrationContext
from app.core.integration_framework.errors import IntegrationConfigError, IntegrationNotLoaded, UnknownIntegration
from app.core.integration_framework.events import EventPublisher, StateChanged
from app.core.integration_framework.graph import dependency_graph
from app.core.integration_framework.state import IntegrationState
from app.core.integration_framework.supervisor import Environment, Obstacle, Supervisor
from app.core.integration_framework.types import IntegrationConfig

_log = logging.getLogger(__name__)
_S = IntegrationState

_LEVELS = {
    _S.FAILED: logging.ERROR,
    _S.RETRYING: logging.WARNING,
    _S.DEGRADED: logging.WARNING,
    _S.READY: logging.INFO,
}
_UNSETTLED = frozenset({_S.REGISTERED, _S.INITIALIZING, _S.STOPPING})


class Fleet:
    """The host of every supervisor.

    `held` names integrations that must wait, each with the reason. `candidates` are starting to take another's
    place and do not have it yet.
    """

    def __init__(self, environment: Environment, resources: Mapping[type[Any], object]) -> None:
        self.environment = environment
        self.events = EventPublisher()
        self.supervisors: dict[str, Supervisor] = {}
        self.candidates: set[Supervisor] = set()
        self.held: dict[str, str] = {}
        self.graph = dependency_graph({})
        self._resources = resources
        self._told: dict[str, str] = {}
        self._leaving: dict[asyncio.Task[Exception | None], Supervisor] = {}
        self._signal = asyncio.Event()

    def build(self, config: IntegrationConfig) -> Supervisor:
        return Supervisor(config, self.environment, self)

    def find(self, name: str) -> Supervisor:
        """Raises UnknownIntegration."""
        try:
            return self.supervisors[name]
        except KeyError:
            known = ", ".join(sorted(self.supervisors)) or "none"
            raise UnknownIntegration(f"no integration is named {name!r}; there are: {known}") from None

    def admit(self, supervisor: Supervisor) -> None:
        """Make it the one of its name, and say so if it takes another's place."""
        old = self.supervisors.get(supervisor.name)
        self.supervisors[supervisor.name] = supervisor
        if old is not None:
            change = StateChanged(name=old.name, old=old.state, new=supervisor.state, reason="reconfigured")
            self.events.publish(change)

    def dismiss(self, supervisor: Supervisor, reason: str, drain: float) -> None:
        """Stop it in the background, once it is not busy, within `drain` seconds; its place is free at once."""
        if self.supervisors.get(supervisor.name) is supervisor:
            del self.supervisors[supervisor.name]
        task = asyncio.create_task(supervisor.stop(reason, drain=drain), name=f"dismiss:{supervisor.name}")
        self._leaving[task] = supervisor
        task.add_done_callback(lambda done: self._leaving.pop(done, None))

    def rewire(self, wanted: Mapping[str, IntegrationConfig] | None = None) -> None:
        """Look again at who depends on whom; `wanted` configurations count in place of the present ones."""
        configs = {name: one.config for name, one in self.supervisors.items()} | dict(wanted or {})
        self.graph = dependency_graph(
            {name: config.dependencies if config.enabled else () for name, config in configs.items()}
        )
        for supervisor in (*self.supervisors.values(), *self.candidates):
            supervisor.wake()

    def wake_dependents(self, name: str) -> None:
        for supervisor in (*self.supervisors.values(), *self.candidates):
            if name in supervisor.config.dependencies:
                supervisor.wake()

    # What supervisors ask.

    def obstacle(self, supervisor: Supervisor) -> Obstacle | None:
        if fault := self.graph.cyclic.get(supervisor.name):
            return Obstacle(_S.FAILED, fault)
        if unknown := [name for name in supervisor.config.dependencies if name not in self.supervisors]:
            return Obstacle(_S.FAILED, f"depends on {', '.join(unknown)}, which is not configured")
        if reason := self.held.get(supervisor.name):
            return Obstacle(_S.BLOCKED, reason)
        for other in self._missing(supervisor):
            return Obstacle(_S.BLOCKED, f"waits for {other.name}, which is {other.state}")
        return None

    def moved(self, supervisor: Supervisor, old: IntegrationState, new: IntegrationState, reason: str) -> None:
        self._log(supervisor.name, old, new, reason)
        self.wake_dependents(supervisor.name)
        self.notify()
        # One that is not in its place (yet, or any more) is nobody's business, unless no other has that name.
        if self.supervisors.get(supervisor.name, supervisor) is supervisor:
            self.events.publish(StateChanged(name=supervisor.name, old=old, new=new, reason=reason))

    def _log(self, name: str, old: IntegrationState, new: IntegrationState, reason: str) -> None:
        """A further try that fails as the last one did is no news."""
        level = _LEVELS.get(new, logging.DEBUG)
        if new is _S.RETRYING and self._told.get(name) == reason:
            level = logging.DEBUG
        if new is not _S.INITIALIZING:
            self._told[name] = reason
        _log.log(level, "%s: %s -> %s%s", name, old, new, f": {reason}" if reason else "")

    def context_for(self, config: IntegrationConfig) -> IntegrationContext:
        def dependency(name: str) -> BaseIntegration:
            if name not in config.dependencies:
                raise UnknownIntegration(f"{config.name} does not declare {name!r} as a dependency")
            found = self.find(name)
            if found.instance is None or not found.state.serves:
                raise IntegrationNotLoaded(f"{name} is {found.state}")
            return found.instance

        return IntegrationContext(self.events, self._resources, dependency)

    # Waiting.

    def settled(self, supervisor: Supervisor) -> bool:
        """It has come to where only time, a person or another settled integration can move it."""
        if supervisor.state is not _S.BLOCKED:
            return supervisor.state not in _UNSETTLED
        return supervisor.name in self.held or any(self.settled(other) for other in self._missing(supervisor))

    async def until(self, reached: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait for moves until `reached()` holds, `seconds` at most. Says whether it does."""
        waiting = asyncio.create_task(self._watch(reached))
        try:
            if seconds is None:
                await asyncio.wait({waiting})
            else:
                await finished_within(self.environment.clock, waiting, seconds)
        finally:
            waiting.cancel()
        return reached()

    def notify(self) -> None:
        """Let everyone in until() look again."""
        self._signal.set()
        self._signal = asyncio.Event()

    async def _watch(self, reached: Callable[[], bool]) -> None:
        while not reached():
            await self._signal.wait()

    def _missing(self, supervisor: Supervisor) -> Iterable[Supervisor]:
        """Those that it depends on and that do not serve."""
        others = (self.supervisors[name] for name in supervisor.config.dependencies if name in self.supervisors)
        return [other for other in others if not other.state.serves]

    # Going down.

    async def stop(self) -> dict[str, Exception]:
        """Each one stops when all that depend on it have; a slow one holds up only what it depends on."""
        leaving = list(self._leaving.items())
        for task, _ in leaving:
            task.cancel()
        if leaving:
            await asyncio.wait([task for task, _ in leaving])
        stopped = {name: asyncio.Event() for name in self.supervisors}
        outcomes = await asyncio.gather(
            *(self._stop_in_turn(name, stopped) for name in self.supervisors),
            *(supervisor.stop() for _, supervisor in leaving),
        )
        names = [*self.supervisors, *(supervisor.name for _, supervisor in leaving)]
        return {name: error for name, error in zip(names, outcomes, strict=True) if error is not None}

    async def _stop_in_turn(self, name: str, stopped: Mapping[str, asyncio.Event]) -> Exception | None:
        try:
            for wave in self.graph.above(name):
                for other in wave:
                    await stopped[other].wait()
            return await self.supervisors[name].stop()
        finally:
            stopped[name].set()


def by_name(configs: Iterable[IntegrationConfig]) -> dict[str, IntegrationConfig]:
    """Raises IntegrationConfigError when two share a name."""
    found: dict[str, IntegrationConfig] = {}
    for config in configs:
        if config.name in found:
            raise IntegrationConfigError(f"two integrations are named {config.name!r}")
        found[config.name] = config
    return found
