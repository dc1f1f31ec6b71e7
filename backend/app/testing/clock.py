"""A clock that stands still until it is told to move, so that tests of hours take no time and never race."""

import asyncio
import heapq
from itertools import count

TURNS = 250
"""Event loop turns that settle() grants: far more than any chain of wake-ups in a test needs."""


class VirtualClock:
    """An app.core.clock.Clock. Sleepers wake in the order of their times, then of their calls.

    It knows of nothing but its own sleepers: threads and sockets still take real time.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        """`now`: the Unix time to begin at. `monotonic()` begins at 0."""
        self._began = now
        self._elapsed = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._began + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: each sleeper wakes at its own time, and has its turn before the next one wakes."""
        end = self._elapsed + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._elapsed, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
                await self.settle()
        self._elapsed = end

    async def settle(self) -> None:
        """Let everything run that can run without time passing."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
