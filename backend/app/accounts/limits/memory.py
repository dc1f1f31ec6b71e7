"""Limits kept in this process: exact where there is one, a share where there are several."""

import time
from collections.abc import Callable, Sequence

import msgspec

from app.accounts.limits.places import Places
from app.accounts.limits.refusals import over
from app.accounts.limits.window import SlidingWindow
from app.domain.errors import RateLimited
from app.domain.limits import UNITS, Amounts, Estimate, Rate, Standing, used
from app.domain.usage import Usage

SWEEP_EVERY = 1000
"""Counters; those that count nothing are forgotten, or every caller there ever was would be remembered."""

Counter = SlidingWindow | Places


class Counted(msgspec.Struct, frozen=True, gc=False):
    """`unit`: its place among UNITS."""

    counter: Counter
    unit: int
    rate: Rate


class Meter(msgspec.Struct, frozen=True):
    """What is counted of a caller who has these `rates`: looked up once, and not for each of its calls."""

    rates: Sequence[Rate]
    parts: tuple[Counted, ...]

    def standings(self, now: float) -> tuple[Standing, ...]:
        return tuple([Standing(each.rate, *each.counter.left(now)) for each in self.parts])


class MemoryLimits:
    """`share`: the part of each limit that is this process's. `clock` in seconds, never goes back."""

    def __init__(self, share: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.share = share
        self.clock = clock
        self._counters: dict[tuple[str, Rate], Counter] = {}
        self._meters: dict[str, Meter] = {}
        self._sweep_at = SWEEP_EVERY

    def reserve(self, holder: str, rates: Sequence[Rate], estimate: Estimate) -> "Taken":
        """Take what `estimate` says of every rate, or nothing. Raises RateLimited.

        `holder`: whose use is counted together.
        """
        now = self.clock()
        meter = self.meter(holder, rates, now)
        taken = Taken(self.clock, meter, estimate.amounts)
        if not taken.take(now):
            taken.undo(now)
            raise _refusal(meter, estimate, now)
        return taken

    def note(self, holder: str, rates: Sequence[Rate], estimate: Estimate) -> "Taken":
        """Take it whatever the share: it was let in by somebody who counts for all processes. Raises RateLimited
        where this process alone has let in a whole limit: then who counts for all has started anew, with nothing.
        """
        now = self.clock()
        meter = self.meter(holder, rates, now)
        for part in meter.parts:
            _check_whole(part, estimate, now)
        taken = Taken(self.clock, meter, estimate.amounts)
        taken.take(now, force=True)
        return taken

    def meter(self, holder: str, rates: Sequence[Rate], now: float) -> Meter:
        found = self._meters.get(holder)
        if found is None or found.rates is not rates:
            if len(self._counters) >= self._sweep_at:
                self._sweep(now)
            parts = [Counted(self._counter(holder, rate), UNITS.index(rate.unit), rate) for rate in rates]
            found = self._meters[holder] = Meter(rates, tuple(parts))
        return found

    def _counter(self, holder: str, rate: Rate) -> Counter:
        found = self._counters.get((holder, rate))
        if found is None:
            # At least one, or a small limit among many processes would let nobody in.
            own = max(1, int(rate.limit * self.share))
            found = Places(own) if rate.unit == "concurrent" else SlidingWindow(own, rate.window)
            self._counters[holder, rate] = found
        return found

    def _sweep(self, now: float) -> None:
        """What counts something now stays the same, also for the calls that will be settled with it."""
        self._meters.clear()
        self._counters = {key: each for key, each in self._counters.items() if each.left(now)[0] < each.limit}
        self._sweep_at = len(self._counters) + SWEEP_EVERY


class Taken:
    """Satisfies Reservation. `taken`: what each part's counter told."""

    __slots__ = ("_amounts", "_clock", "_meter", "_settled", "_taken")

    def __init__(self, clock: Callable[[], float], meter: Meter, amounts: Amounts) -> None:
        self._clock = clock
        self._meter = meter
        self._amounts = amounts
        self._taken: list[tuple[int, int, float]] = []
        self._settled = False

    @property
    def standings(self) -> Sequence[Standing]:
        return [
            Standing(part.rate, remaining, reset)
            for part, (_, remaining, reset) in zip(self._meter.parts, self._taken, strict=True)
        ]

    def take(self, now: float, *, force: bool = False) -> bool:
        """Part by part, until one has not enough. Whether all had, or are taken from by `force`."""
        amounts, taken = self._amounts, self._taken
        for part in self._meter.parts:
            found = part.counter.take(amounts[part.unit], now, force)
            if found is None:
                return False
            taken.append(found)
        return True

    def undo(self, now: float) -> None:
        for part, (step, _, _) in zip(self._meter.parts, self._taken, strict=False):
            part.counter.correct(step, -self._amounts[part.unit], now)

    def settle(self, usage: Usage | None) -> None:
        if self._settled:
            return
        self._settled = True
        now, spent, amounts = self._clock(), used(usage), self._amounts
        for part, found in zip(self._meter.parts, self._taken, strict=True):
            if difference := spent[part.unit] - amounts[part.unit]:
                part.counter.correct(found[0], difference, now)


def _refusal(meter: Meter, estimate: Estimate, now: float) -> RateLimited:
    """For the longest of the waits."""
    amounts = estimate.amounts
    waits = [
        (part.counter.free_in(amounts[part.unit], now), part.rate)
        for part in meter.parts
        if not part.counter.fits(amounts[part.unit], now)
    ]
    wait, rate = max(waits, key=lambda each: each[0])
    return over(rate, wait, meter.standings(now), estimate)


def _check_whole(part: Counted, estimate: Estimate, now: float) -> None:
    rate, counter, amount = part.rate, part.counter, estimate.amounts[part.unit]
    left = rate.limit - counter.recent(now)
    if left < min(amount, rate.limit):
        standing = Standing(rate, max(0, left), counter.left(now)[1])
        raise over(rate, counter.free_in(amount, now, rate.limit), [standing], estimate)
