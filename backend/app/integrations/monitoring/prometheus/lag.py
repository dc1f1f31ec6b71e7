"""How late the event loop is: a timer that is due twice a second, and when it came."""

import asyncio
from bisect import bisect_left

from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.shelf import Shelf

EVERY = 0.5


class LoopLag:
    def __init__(self, shelf: Shelf) -> None:
        self._values = shelf.values
        self._place = shelf.place(families.LOOP_LAG)
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(EVERY, self._due)

    def _due(self) -> None:
        late = max(0.0, self._loop.time() - self._timer.when())
        self._values[self._place] += late
        self._values[self._place + 1 + bisect_left(families.LOOP_LAG.bounds, late)] += 1.0
        self._timer = self._loop.call_later(EVERY, self._due)

    def stop(self) -> None:
        self._timer.cancel()
