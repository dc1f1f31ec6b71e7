"""A fair queue for the few places of a target that can only do so much at once, such as a local engine.

Whoever can't be served in time is told at once, and when to come again: a queue that grows without end serves
nobody. Among those who wait, higher classes go first, and within a class the callers take turns, so that one with
a hundred requests does not keep out one with a single request.
"""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable

import msgspec

from app.domain.errors import RateLimited

DURATION_WEIGHT = 0.2
ASSUMED_SECONDS = 1.0
"""What an answer takes, until one has been seen."""


CAUTION = 0.75
"""Whoever is let into the line should be served: a refusal after a long wait is worse than one at once."""


class _Waiting(msgspec.Struct, eq=False):
    caller: str
    rank: int
    future: "asyncio.Future[None]"


class Slots:
    """`limit` None: without limit, and without cost. `rank`: a class of callers; higher ones are served first."""

    __slots__ = ("_classes", "_limit", "_seconds", "_seen", "taken")

    def __init__(self, limit: int | None = None) -> None:
        self.taken = 0
        self._limit = limit
        self._seconds = ASSUMED_SECONDS
        self._seen = False
        self._classes: dict[int, OrderedDict[str, deque[_Waiting]]] = {}

    @property
    def limit(self) -> int | None:
        return self._limit

    @limit.setter
    def limit(self, limit: int | None) -> None:
        self._limit = limit
        self._hand_on()

    @property
    def free(self) -> bool:
        return self._limit is None or self.taken < self._limit

    @property
    def open(self) -> bool:
        """Whether a newcomer would have a place at once."""
        return self.free and not self._classes

    def waiting(self, rank: int | None = None) -> int:
        """How many wait; with `rank`, those who go before a newcomer of that class."""
        return sum(
            len(line)
            for each, callers in self._classes.items()
            if rank is None or each >= rank
            for line in callers.values()
        )

    def expected_wait(self, rank: int = 0) -> float:
        """Seconds until a newcomer would have a place."""
        if self._limit is None or (self.free and not self._classes):
            return 0.0
        return (self.waiting(rank) + 1) * self._seconds / self._limit

    async def take(
        self, caller: str, rank: int, patience: float, notify: Callable[[int], None] | None = None
    ) -> float:
        """Have a place, and say how many seconds that took. `notify` is told how many are ahead, if any wait is
        needed. Raises RateLimited: at once when a place can't be had within `patience` seconds, or after them.
        """
        if self.take_free():
            return 0.0
        expected = self.expected_wait(rank)
        if expected > patience * CAUTION:
            raise self._full(expected)
        if notify is not None:
            notify(self.waiting(rank))
        loop = asyncio.get_running_loop()
        began = loop.time()
        waiting = _Waiting(caller, rank, loop.create_future())
        self._classes.setdefault(rank, OrderedDict()).setdefault(caller, deque()).append(waiting)
        try:
            async with asyncio.timeout(patience):
                await waiting.future
        except TimeoutError:
            self._leave(waiting)
            raise self._full(self.expected_wait(rank)) from None
        except asyncio.CancelledError:
            self._leave(waiting)
            raise
        return loop.time() - began

    def take_free(self) -> bool:
        """Have a place if one is free and nobody waits for it."""
        if not self.open:
            return False
        self.taken += 1
        return True

    def give_back(self, seconds: float | None) -> None:
        """The answer is over; it took so long, or None if it never began."""
        self.taken -= 1
        if self._limit is None:
            return
        if seconds is not None:
            weight = DURATION_WEIGHT if self._seen else 1.0
            self._seconds += weight * (seconds - self._seconds)
            self._seen = True
        self._hand_on()

    def _hand_on(self) -> None:
        while self._classes and self.free:
            waiting = self._next()
            if not waiting.future.done():  # else it has given up and is about to leave
                self.taken += 1
                waiting.future.set_result(None)

    def _next(self) -> _Waiting:
        """Of the highest class: the first in line of the caller whose turn it is, who then goes to the end."""
        callers = self._classes[max(self._classes)]
        caller, line = callers.popitem(last=False)
        waiting = line.popleft()
        if line:
            callers[caller] = line
        elif not callers:
            del self._classes[waiting.rank]
        return waiting

    def _leave(self, waiting: _Waiting) -> None:
        if waiting.future.done() and not waiting.future.cancelled():
            self.taken -= 1  # it was given the place in the moment in which it gave up
            self._hand_on()
            return
        callers = self._classes.get(waiting.rank, OrderedDict())
        line = callers.get(waiting.caller, deque())
        if waiting in line:
            line.remove(waiting)
            if not line:
                del callers[waiting.caller]
            if not callers:
                del self._classes[waiting.rank]

    def _full(self, seconds: float) -> RateLimited:
        return RateLimited(
            f"All {self._limit} places for this model are taken and the queue is full; "
            f"try again in about {math.ceil(seconds)} s.",
            code="queue_full",
            retry_after=max(1.0, seconds),
        )
