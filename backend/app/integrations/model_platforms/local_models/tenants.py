"""One model in memory, and one on its way there."""

import asyncio
from collections.abc import Callable

from app.core.clock import Clock
from app.domain.models import Resident
from app.integrations.model_platforms.local_models.engine import Engine
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.runtime import Mode


class Tenant:
    """A model in memory, which takes `need` bytes there. `users`: answers under way, and those that wait for a
    slot. `unused` is told when there are none any more.
    """

    def __init__(
        self,
        model: LocalModel,
        engine: Engine,
        clock: Clock,
        *,
        need: int,
        location: str,
        unused: Callable[[], object],
    ) -> None:
        self.model = model
        self.engine = engine
        self.need = need
        self.location = location
        self.users = 0
        self.arrived = clock.now()
        self.since = self.last_used = clock.monotonic()
        self.watch: asyncio.Task[None] | None = None
        self._clock = clock
        self._told_unused = unused
        self._unused = asyncio.Event()
        self._unused.set()

    def enter(self) -> None:
        self.users += 1
        self.last_used = self._clock.monotonic()
        self._unused.clear()

    def leave(self) -> None:
        self.users -= 1
        self.last_used = self._clock.monotonic()
        if not self.users:
            self._unused.set()
            self._told_unused()

    def resident(self, mode: Mode, *, leaving: bool, pinned: bool, idle_seconds: float) -> Resident:
        unused = 0.0 if self.users else self._clock.monotonic() - self.last_used
        used_at = self._clock.now() - unused
        return Resident(
            model=self.model.id,
            status="leaving" if leaving else "loaded",
            mode=mode,
            since=self.arrived,
            last_used=used_at,
            users=self.users,
            memory_bytes=self.need,
            location=self.location,
            pinned=pinned,
            expires=used_at + idle_seconds if idle_seconds and not (pinned or self.users) else None,
        )

    def abandon(self) -> None:
        """Do not wait for the users any more."""
        self._unused.set()

    async def unused(self) -> None:
        await self._unused.wait()


class GivenUp(Exception):
    """Nobody wants the model any more that is being loaded."""


class Arrival:
    """A load under way: what is being done (`waiting`, `converting`, `reading`, `starting`), and how much of
    it.
    """

    def __init__(self, model: LocalModel, clock: Clock) -> None:
        self.model = model
        self.stage = "waiting"
        self.fraction = 0.0
        self.since = clock.now()
        self.begun = self.stopped = False

    def told(self, stage: str, fraction: float) -> None:
        """Called by whoever does it, in any thread. Raises GivenUp, which ends the work."""
        self.stage, self.fraction, self.begun = stage, fraction, True
        if self.stopped:
            raise GivenUp

    def resident(self, mode: Mode, pinned: bool) -> Resident:
        return Resident(
            model=self.model.id,
            status="loading",
            mode=mode,
            since=self.since,
            stage=self.stage,
            fraction=round(self.fraction, 3),
            pinned=pinned,
        )
