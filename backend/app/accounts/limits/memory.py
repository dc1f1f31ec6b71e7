"""Limits kept in this process: exact where there is one, a share where there are several."""

import time
from collections.abc import Callable, Sequence

from app.accounts.limits.refusals import over
from app.accounts.limits.window import SlidingWindow
from app.domain.limits import Estimate, Rate, Reservation, Standing, used
from app.domain.usage import Usage

SWEEP_EVERY = 1000
"""Callers; those whose windows are empty are forgotten, or every caller there ever was would be remembered."""

RETRY_SECONDS = 1.0
"""When to come again where all places are taken: nobody knows when one gets free."""

Key = tuple[str, Rate]


class MemoryLimits:
    """`share`: the part of each limit that is this process's. `clock` in seconds, never goes back."""

    def __init__(self, share: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.share = share
        self._clock = clock
        self._windows: dict[Key, SlidingWindow] = {}
        self._under_way: dict[Key, int] = {}
        self._sweep_at = SWEEP_EVERY

    def reserve(self, holder: str, rates: Sequence[Rate], estimate: Estimate) -> "Reservation":
        """Take what `estimate` says of every rate, or nothing. Raises RateLimited.

        `holder`: whose use is counted together.
        """
        now = self._clock()
        waits = [(self._wait((holder, rate), estimate.of(rate.unit), now), rate) for rate in rates]
        if over_limit := [(wait, rate) for wait, rate in waits if wait is not None]:
            wait, rate = max(over_limit, key=lambda each: each[0])
            raise over(rate, wait, [self.standing(holder, each, now) for each in rates])
        return self._taken(holder, rates, estimate, now)

    def note(self, holder: str, rates: Sequence[Rate], estimate: Estimate) -> "Reservation":
        """Take it whatever the share: it was let in by somebody who counts for all processes. Raises RateLimited
        where this process alone has let in a whole limit: then who counts for all has started anew, with nothing.
        """
        now = self._clock()
        self._check_whole(holder, rates, estimate, now)
        return self._taken(holder, rates, estimate, now)

    def settle(self, holder: str, taken: "Sequence[_Part]", usage: Usage | None) -> None:
        now = self._clock()
        for rate, step, amount in taken:
            key = (holder, rate)
            if rate.unit == "concurrent":
                left = self._under_way.get(key, 0) - 1
                if left > 0:
                    self._under_way[key] = left
                else:
                    self._under_way.pop(key, None)
            elif difference := used(usage, rate.unit) - amount:
                self._window(key).correct(step, difference, now)

    def standing(self, holder: str, rate: Rate, now: float) -> Standing:
        if rate.unit == "concurrent":
            left = self._own(rate) - self._under_way.get((holder, rate), 0)
            return Standing(rate=rate, remaining=max(0, left), reset=0.0)
        window = self._window((holder, rate))
        return Standing(rate=rate, remaining=window.remaining(now), reset=window.reset_in(now))

    def _check_whole(self, holder: str, rates: Sequence[Rate], estimate: Estimate, now: float) -> None:
        for rate in rates:
            if rate.unit == "concurrent":
                if self._under_way.get((holder, rate), 0) >= rate.limit:
                    raise over(rate, RETRY_SECONDS, [Standing(rate=rate, remaining=0, reset=0.0)])
            elif window := self._windows.get((holder, rate)):
                amount, left = estimate.of(rate.unit), rate.limit - window.recent(now)
                if left < min(amount, rate.limit):
                    standing = Standing(rate=rate, remaining=max(0, left), reset=window.reset_in(now))
                    raise over(rate, window.free_in(amount, now, rate.limit), [standing])

    def _wait(self, key: Key, amount: int, now: float) -> float | None:
        """Seconds until there is room; None where there is some now."""
        if key[1].unit == "concurrent":
            return RETRY_SECONDS if self._under_way.get(key, 0) >= self._own(key[1]) else None
        window = self._windows.get(key)
        return None if window is None or window.fits(amount, now) else window.free_in(amount, now)

    def _taken(self, holder: str, rates: Sequence[Rate], estimate: Estimate, now: float) -> "_Taken":
        if len(self._windows) >= self._sweep_at:
            self._sweep(now)
        return _Taken(self, holder, [self._take(holder, each, estimate.of(each.unit), now) for each in rates], now)

    def _take(self, holder: str, rate: Rate, amount: int, now: float) -> "_Part":
        key = (holder, rate)
        if rate.unit == "concurrent":
            self._under_way[key] = self._under_way.get(key, 0) + 1
            return rate, 0, amount
        return rate, self._window(key).add(amount, now), amount

    def _window(self, key: Key) -> SlidingWindow:
        found = self._windows.get(key)
        if found is None:
            found = self._windows[key] = SlidingWindow(self._own(key[1]), key[1].window)
        return found

    def _own(self, rate: Rate) -> int:
        """At least one, or a small limit among many processes would let nobody in."""
        return max(1, int(rate.limit * self.share))

    def _sweep(self, now: float) -> None:
        self._windows = {key: each for key, each in self._windows.items() if each.remaining(now) < each.limit}
        self._sweep_at = len(self._windows) + SWEEP_EVERY


_Part = tuple[Rate, int, int]


class _Taken:
    """Satisfies Reservation."""

    __slots__ = ("_holder", "_limits", "_now", "_settled", "_taken")

    def __init__(self, limits: MemoryLimits, holder: str, taken: Sequence[_Part], now: float) -> None:
        self._limits = limits
        self._holder = holder
        self._taken = taken
        self._now = now
        self._settled = False

    @property
    def standings(self) -> tuple[Standing, ...]:
        return tuple(self._limits.standing(self._holder, rate, self._now) for rate, _, _ in self._taken)

    def settle(self, usage: Usage | None) -> None:
        if not self._settled:
            self._settled = True
            self._limits.settle(self._holder, self._taken, usage)
