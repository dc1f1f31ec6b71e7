"""One integration's keeper: starts it, tries again, makes it give way to what it depends on, and shuts it down.

A supervisor compares what is with what should be each time it is woken, so a missed wake-up cannot leave it wrong.
A whole life of an instance runs in `_live`; everything that ends a life early cancels that task.
"""

import asyncio
import logging
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Protocol

from app.core.backoff import Backoff
from app.core.clock import Clock
from app.core.integration_framework.base import BaseIntegration
from app.core.integration_framework.calls import PluginCalls
from app.core.integration_framework.context import IntegrationContext
from app.core.integration_framework.discovery import Registry
from app.core.integration_framework.drain import drained
from app.core.integration_framework.events import EventPublisher, HealthChecked
from app.core.integration_framework.health import HealthMonitor
from app.core.integration_framework.meaning import Meaning, meaning_of, sentence
from app.core.integration_framework.state import IntegrationState, Lifecycle
from app.core.integration_framework.types import (
    HealthStatus,
    HealthThresholds,
    IntegrationConfig,
    IntegrationStatus,
    LastCheck,
    Timeouts,
)

_log = logging.getLogger(__name__)
_S = IntegrationState


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What all supervisors share."""

    registry: Registry
    clock: Clock
    random: random.Random
    timeouts: Timeouts
    thresholds: HealthThresholds
    calls: PluginCalls


@dataclass(frozen=True)
class Obstacle:
    """Why an integration must not run now, and the state (BLOCKED or FAILED) that it waits in."""

    state: IntegrationState
    reason: str


class Host(Protocol):
    """What a supervisor asks of those who run it."""

    @property
    def events(self) -> EventPublisher: ...

    def obstacle(self, supervisor: "Supervisor") -> Obstacle | None: ...

    def moved(
        self, supervisor: "Supervisor", old: IntegrationState, new: IntegrationState, reason: str
    ) -> None: ...

    def context_for(self, config: IntegrationConfig) -> IntegrationContext: ...


class Supervisor:
    """`instance` is the present one, or the last while it is down; None before the first was built."""

    def __init__(self, config: IntegrationConfig, environment: Environment, host: Host) -> None:
        # A copy: the owner may go on changing his, and a reload compares with what runs.
        self.config = config.model_copy(deep=True)
        self.name = config.name
        self.instance: BaseIntegration | None = None
        self._env = environment
        self._host = host
        self._lifecycle = Lifecycle(
            self.name,
            _S.REGISTERED if config.enabled else _S.DISABLED,
            environment.clock,
            lambda old, new, reason: host.moved(self, old, new, reason),
        )
        retry = self.config.retry_config
        self._backoff = Backoff(factor=retry.backoff_factor, maximum=retry.max_backoff, random=environment.random)
        self._attempts = 0
        self._next_retry_at: float | None = None
        self._last_check: LastCheck | None = None
        self._up = False  # an instance was built and not shut down since
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> IntegrationState:
        return self._lifecycle.state

    @property
    def reason(self) -> str:
        return self._lifecycle.reason

    def status(self, dependents: tuple[str, ...]) -> IntegrationStatus:
        return IntegrationStatus(
            name=self.name,
            type=self.config.type,
            kind=self.config.effective_kind,
            state=self.state,
            reason=self.reason,
            since=self._lifecycle.since,
            priority=self.config.priority,
            attempts=self._attempts,
            next_retry_at=self._next_retry_at,
            dependencies=tuple(self.config.dependencies),
            dependents=dependents,
            last_check=self._last_check,
        )

    def start(self) -> None:
        """Begin to supervise; nothing happens when that is under way, or when it is DISABLED."""
        if self._task is not None or self.state is _S.DISABLED:
            return
        if self.state is _S.STOPPED:
            self._lifecycle.move(_S.REGISTERED)
        self._task = _spawn(self._run(), f"supervisor:{self.name}")

    def wake(self) -> None:
        """Something around it changed: look again."""
        self._wake.set()

    async def stop(self, reason: str = "", *, drain: float = 0.0) -> Exception | None:
        """Shut down and stay STOPPED until start(). Returns what shutdown() raised.

        `drain`: seconds in STOPPING before shutdown(), at most, so that requests under way may finish.
        """
        if self._task is not None:
            await _ended(self._task)
            self._task = None
        if self.state in (_S.DISABLED, _S.STOPPED):
            return None
        if self.state is not _S.STOPPING:
            self._lifecycle.move(_S.STOPPING, reason)
        if drain and self._up and self.instance is not None:
            await drained(self.instance, self._env.clock, drain)
        error = await self._retire()
        self._forget_attempts()
        self._lifecycle.move(_S.STOPPED, reason)
        return error

    async def _run(self) -> None:
        life: asyncio.Task[None] | None = None
        try:
            while True:
                self._wake.clear()
                obstacle = self._host.obstacle(self)
                if life is None and obstacle is None:
                    life = _spawn(self._live(), f"life:{self.name}")
                elif obstacle is not None and not (life is not None and self.state is _S.FAILED):
                    # One that failed by itself waits for a person, whatever becomes of its dependencies.
                    await self._give_way(life, obstacle)
                    life = None
                await self._wake.wait()
        finally:
            if life is not None:
                await _ended(life)

    async def _give_way(self, life: asyncio.Task[None] | None, obstacle: Obstacle) -> None:
        if life is not None:
            await _ended(life)
        if self._up or self.state is _S.INITIALIZING:
            if self.state is not _S.STOPPING:
                self._lifecycle.move(_S.STOPPING, obstacle.reason)
            await self._retire()
        self._forget_attempts()
        self._lifecycle.settle_in(obstacle.state, obstacle.reason)

    async def _live(self) -> None:
        while True:
            try:
                await self._serve()
                return
            except Exception as error:
                pause = self._fall(error)
            await self._retire()
            if pause is None:
                return
            await self._env.clock.sleep(pause)

    async def _serve(self) -> None:
        """Bring a new instance up and watch it; ends only by an exception."""
        self._next_retry_at = None
        self._lifecycle.move(_S.INITIALIZING)
        instance = await self._built()
        await self._env.calls.run(f"{self.name}.initialize", instance.initialize, self._env.timeouts.initialize)
        self._attempts = 0
        self._lifecycle.move(_S.READY)
        if not self.config.health_check_interval:
            await asyncio.Event().wait()
        await self._monitor().watch(instance.health_check, self._observed)

    async def _built(self) -> BaseIntegration:
        async def build() -> BaseIntegration:
            cls = await self._env.registry.load(self.config.effective_kind)
            # The plugin gets its own copy, so that what it changes there is not taken for the operator's wish.
            return cls(self.config.model_copy(deep=True))

        instance = await self._env.calls.run(f"{self.name}: import", build, self._env.timeouts.load)
        instance.context = self._host.context_for(self.config)
        self.instance, self._up, self._last_check = instance, True, None
        return instance

    def _fall(self, error: Exception) -> float | None:
        """Pick the state that `error` means. Returns the seconds until the next try, None for never."""
        meaning, retry = meaning_of(error), self.config.retry_config
        if meaning is Meaning.DEFECT:
            _log.error("%s failed", self.name, exc_info=error)
        if meaning is not Meaning.NOT_READY or retry.max_retries == 0:
            self._lifecycle.move(_S.FAILED, sentence(error))
            return None
        fast = self._attempts < retry.max_retries
        pause = self._backoff.delay(self._attempts) if fast else self._backoff.longest()
        self._attempts += 1
        self._next_retry_at = self._env.clock.now() + pause
        self._lifecycle.move(_S.RETRYING, sentence(error))
        return pause

    async def _retire(self) -> Exception | None:
        """Shut the instance down, if it is up. Never raises."""
        if self.instance is None or not self._up:
            return None
        failure: Exception | None = None
        try:
            await self._env.calls.run(f"{self.name}.shutdown", self.instance.shutdown, self._env.timeouts.shutdown)
        except Exception as error:
            _log.warning("%s did not shut down well", self.name, exc_info=error)
            failure = error
        self._up = False
        return failure

    def _monitor(self) -> HealthMonitor:
        return HealthMonitor(
            name=self.name,
            interval=self.config.health_check_interval,
            timeout=self._env.timeouts.health_check,
            thresholds=self._env.thresholds,
            clock=self._env.clock,
            random=self._env.random,
            calls=self._env.calls,
        )

    def _observed(self, status: HealthStatus, check: LastCheck, state: IntegrationState) -> None:
        self._last_check = check
        self._host.events.publish(HealthChecked(name=self.name, status=status, check=check))
        if state.serves:
            self._lifecycle.settle_in(state, "" if check.ok else check.message)

    def _forget_attempts(self) -> None:
        self._attempts = 0
        self._next_retry_at = None


def _spawn(work: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report_defect)
    return task


def _report_defect(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.critical("%s ended by a defect of the framework", task.get_name(), exc_info=error)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    # wait(), unlike await, does not mistake the task's cancellation for one of ours.
    await asyncio.wait({task})
