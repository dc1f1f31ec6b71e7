"""Limits kept in this process: exact where there is one, a share where there are several."""

import time
from collections.abc import Callable, Sequence

from app.accounts.limits.refusals import over
from app.accounts.limits.window import SlidingWindow
from app.domain.limits import Estimate, Rate, Reservation, Standing, used
from app.domain.usage import Usage

SWEEP_EVERY = 1000
"""Callers; those whose windows are empty are forgotten, or every caller there ever was would be remembered."""

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
        if len(self._windows) >= self._sweep_at:
            self._sweep(now)
        for rate in rates:
            if rate.unit == "concurrent":
                if self._under_way.get((holder, rate), 0) >= self._own(rate):
                    raise over(rate, 1.0)
            else:
                window = self._window((holder, rate))
                amount = estimate.of(rate.unit)
                if not window.fits(amount, now):
                    raise over(rate, window.free_in(amount, now))
        taken = [self._take(holder, rate, estimate.of(rate.unit), now) for rate in rates]
        return _Taken(self, holder, taken, now)

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
            return Standing(
                rate=rate, remaining=self._own(rate) - self._under_way.get((holder, rate), 0), reset=0.0
            )
        window = self._window((holder, rate))
        return Standing(rate=rate, remaining=window.remaining(now), reset=window.reset_in(now))

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
