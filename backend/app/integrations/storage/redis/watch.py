"""Whether the server is there. While it is not, nobody waits for it, and one task looks for it.

Three misses one after the other, and no answer between them, and it counts as gone. The first one makes the task
look at once, so that is known within a second however little is asked. Misses side by side are one: the fault may
be this process's own, which was busy for a moment.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.core.clock import Clock

MISSES = 3
DOUBTFUL_SECONDS = 0.1
GONE_SECONDS = 0.5
"""Between two looks, while it is in doubt and while it is gone."""

logger = logging.getLogger(__name__)


class Watch:
    """`look` raises when the server does not answer."""

    def __init__(self, name: str, look: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self.there = True
        self._name = name
        self._look = look
        self._clock = clock
        self._misses = 0
        self._last_miss = -1.0
        self._gone_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def missed(self, error: Exception, asked_at: float) -> None:
        """It did not answer what it was asked then, in seconds of the clock's monotonic()."""
        if asked_at < self._last_miss:
            return
        self._last_miss = self._clock.monotonic()
        self._misses += 1
        if self.there and self._misses >= MISSES:
            self.there = False
            self._gone_at = self._last_miss
            logger.warning("%s The platform goes on without it and looks for it.", error)
        if self._task is None:
            self._task = asyncio.create_task(self._look_for_it())

    def answered(self) -> None:
        self._misses = 0

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _look_for_it(self) -> None:
        try:
            while not await self._seen():
                await self._clock.sleep(DOUBTFUL_SECONDS if self.there else GONE_SECONDS)
        finally:
            self._task = None

    async def _seen(self) -> bool:
        asked_at = self._clock.monotonic()
        try:
            await self._look()
        except Exception as error:
            self.missed(error, asked_at)
            return False
        self.answered()
        if not self.there:
            self.there = True
            logger.info("'%s' is back after %.1f s", self._name, self._clock.monotonic() - self._gone_at)
        return True
