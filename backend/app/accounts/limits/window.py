"""A sliding window in steps: never more than the limit within any stretch of its length.

A window is cut into STEPS. What was counted in a step falls out a whole step after a full window, so the window
that is looked at is at most a step longer than the one that is meant, and never shorter.
"""

from collections import deque
from math import inf

STEPS = 60


class SlidingWindow:
    """Counts of one rate. Times are in seconds of a clock that never goes back."""

    __slots__ = ("_changes_at", "_empty_at", "_newest", "_next_step_at", "_steps", "_total", "limit", "window")

    def __init__(self, limit: int, window: float) -> None:
        self.limit = limit
        self.window = window
        self._total = 0
        self._changes_at = inf
        self._steps: deque[list[int]] = deque()
        self._newest = [-1, 0]
        self._next_step_at = -inf
        self._empty_at = -inf

    def left(self, now: float) -> tuple[int, float]:
        """What remains, and in how many seconds all of it is there again."""
        if now >= self._changes_at:
            self._expire(now)
        if not self._total or not self._steps:
            return self.limit, 0.0
        remaining = self.limit - self._total
        return (remaining if remaining > 0 else 0), self._empty_at - now

    def fits(self, amount: int, now: float) -> bool:
        """Whether `amount` more may be counted. What is larger than the limit itself fits an empty window only,
        or nobody could ever be served who needs so much.
        """
        self._expire(now)
        return self._total + min(amount, self.limit) <= self.limit

    def take(self, amount: int, now: float, force: bool = False) -> tuple[int, int, float] | None:
        """Count it, if it fits or with `force`; else None. Returns the step that it stands in, for `correct`, and
        what `left` says then.
        """
        if now >= self._changes_at:
            self._expire(now)
        total = self._total + amount
        if total > self.limit and not (force or self.fits(amount, now)):
            return None
        self._total = total
        if now >= self._next_step_at:
            self._begin_step(now)
        newest = self._newest
        newest[1] += amount
        left = self.limit - total
        return newest[0], (left if left > 0 else 0), (self._empty_at - now if total else 0.0)

    def correct(self, step: int, amount: int, now: float) -> None:
        """Count `amount` more (or, below zero, less) where it was counted first, unless that has fallen out."""
        if now >= self._changes_at:
            self._expire(now)
        for each in reversed(self._steps):  # most calls are over soon
            if each[0] == step:
                each[1] += amount
                self._total += amount
                return

    def recent(self, now: float) -> int:
        """What was counted in the last window less a step: who counts the same by another clock has it still."""
        self._expire(now)
        total, oldest = self._total, self._step(now) - STEPS + 2
        for step, count in self._steps:
            if step >= oldest:
                break
            total -= count
        return total

    def free_in(self, amount: int, now: float, limit: int | None = None) -> float:
        """Seconds until `amount` fits, if nothing else is counted meanwhile. `limit` instead of its own."""
        self._expire(now)
        limit = limit or self.limit
        over = self._total + min(amount, limit) - limit
        for step, count in self._steps:
            if over <= 0:
                break
            over -= count
            if over <= 0:
                return self._falls_out(step) - now
        return 0.0

    def _begin_step(self, now: float) -> None:
        step = self._step(now)
        self._newest = [step, 0]
        self._steps.append(self._newest)
        self._next_step_at = (step + 1) * self.window / STEPS
        self._empty_at = self._falls_out(step)
        self._changes_at = self._falls_out(self._steps[0][0])

    def _step(self, now: float) -> int:
        return int(now * STEPS // self.window)

    def _falls_out(self, step: int) -> float:
        return (step + STEPS + 1) * self.window / STEPS

    def _expire(self, now: float) -> None:
        if now < self._changes_at:
            return
        oldest = self._step(now) - STEPS
        while self._steps and self._steps[0][0] < oldest:
            self._total -= self._steps.popleft()[1]
        self._changes_at = self._falls_out(self._steps[0][0]) if self._steps else inf
