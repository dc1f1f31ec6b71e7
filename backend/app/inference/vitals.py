"""What is known of each target now: how many use it, how fast it answers, whether to let it be. In this process.

Kept apart from the catalogue, whose snapshots come and go. Times are seconds of a clock that never goes back.
"""

import math
from collections import OrderedDict

import msgspec

from app.domain.errors import (
    ConnectionFailed,
    ConnectionRefused,
    PlatformError,
    UpstreamError,
    UpstreamRateLimited,
)
from app.inference.breaker import REFUSED, Breaker
from app.inference.budget import Budget
from app.inference.policy import RoutingPolicy
from app.inference.slots import Slots

LATENCY_DECAY = 10.0
"""Seconds after which an observation counts for a third."""

LONGEST_REST = 300.0
"""Seconds. Some upstreams tell nonsense, and nobody would ever look again."""

LONGEST_DOUBT = 5
"""Seconds."""

ONE_DEATH = 1.0
"""Seconds in which the connections break that an upstream had when it died."""

MINUTE = 60.0
KEPT_UNLISTED = 1000


class Excluded(msgspec.Struct, frozen=True):
    """Why a target is not to be asked now. `seconds` until that may change. `soft`: nobody said that it must not
    be asked, so it may be where there is no other. `rate`: it has had enough for now, and is well.
    """

    reason: str
    seconds: float
    soft: bool = False
    rate: bool = False


class Latency:
    """Peak EWMA: it rises with the first slow answer and falls slowly. Seconds to the first event."""

    __slots__ = ("_at", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._at = 0.0

    @property
    def seen(self) -> bool:
        return self._at > 0.0

    def observe(self, seconds: float, now: float) -> None:
        weight = math.exp((self._at - now) / LATENCY_DECAY)
        self._value = max(seconds, self._value * weight + seconds * (1 - weight))
        self._at = now

    def value(self, now: float) -> float:
        """It fades, so that a target that was slow once is tried again."""
        return self._value * math.exp((self._at - now) / LATENCY_DECAY)


class PerMinute:
    """How much there was in the last minute, from two counters: exact to a few percent, constant in size."""

    __slots__ = ("_before", "_count", "_window")

    def __init__(self) -> None:
        self._window = 0
        self._count = 0
        self._before = 0

    def add(self, amount: int, now: float) -> None:
        self._turn(now)
        self._count += amount

    def value(self, now: float) -> float:
        self._turn(now)
        return self._count + self._before * (1 - now % MINUTE / MINUTE)

    def below_in(self, limit: int, now: float) -> float:
        """Seconds until it is below `limit`, if nothing is added meanwhile."""
        if self.value(now) < limit:
            return 0.0
        window = now // MINUTE * MINUTE
        if self._count < limit and self._before:
            return max(0.001, window + MINUTE * (1 - (limit - self._count) / self._before) - now)
        return window + MINUTE * (2 - limit / self._count) - now

    def _turn(self, now: float) -> None:
        window = int(now // MINUTE)
        if window != self._window:
            self._before = self._count if window == self._window + 1 else 0
            self._count, self._window = 0, window


class Vitals:
    """Of one model at one integration."""

    __slots__ = (
        "_doubted_until",
        "_failed_at",
        "_failures",
        "_policy",
        "_rest_said",
        "_resting_until",
        "breaker",
        "in_flight",
        "latency",
        "requests",
        "slots",
        "source",
        "tokens",
    )

    def __init__(self, policy: RoutingPolicy, source: object = None, slots: Slots | None = None) -> None:
        self.source = source
        self.breaker = Breaker(policy.breaker)
        self.in_flight = 0
        self.latency = Latency()
        self.requests = PerMinute()
        self.tokens = PerMinute()
        self.slots = slots or Slots()
        self._policy = policy
        self._failures = 0
        self._failed_at = 0.0
        self._doubted_until = 0.0
        self._resting_until = 0.0
        self._rest_said = False

    @property
    def known(self) -> bool:
        """Whether it has been asked, so that there is something to tell."""
        return self.latency.seen or self.in_flight > 0 or not self.breaker.closed

    def obey(self, policy: RoutingPolicy) -> None:
        self._policy = policy
        self.breaker.policy = policy.breaker

    def excluded(
        self, now: float, rpm: int | None = None, tpm: int | None = None, last: bool = False
    ) -> Excluded | None:
        """None when it may be asked. `rpm`, `tpm`: what it may be sent a minute. `last`: nobody else is left."""
        if rpm is tpm is None and self.breaker.closed and now >= self._resting_until:
            return None
        if now < self._resting_until:
            reason = "asked for a pause" if self._rest_said else "refused for its rate"
            return Excluded(reason, self._resting_until - now, soft=not self._rest_said, rate=True)
        if seconds := self.breaker.closed_in(now, last):
            return Excluded("failed too often and is shut out", seconds)
        for limit, counted, unit in ((rpm, self.requests, "requests"), (tpm, self.tokens, "tokens")):
            if limit is not None and (seconds := counted.below_in(limit, now)):
                return Excluded(f"had its {limit} {unit} of a minute", seconds, rate=True)
        return None

    def hope_in(self, now: float, rpm: int | None, tpm: int | None) -> float | None:
        """Seconds that one who has nowhere else to go should wait for news of it; None when it should not."""
        out = self.excluded(now, rpm, tpm, last=True)
        if self.breaker.closed or (out is not None and out.rate):
            return None
        return self.breaker.hope_in(now)

    def back_in(self, now: float, rpm: int | None, tpm: int | None) -> float | None:
        """Seconds after which it is worth coming again; None when it may be asked now."""
        out = self.excluded(now, rpm, tpm)
        if out is None:
            return None
        sooner = self.excluded(now, rpm, tpm, last=True)
        return min(out.seconds, REFUSED) if sooner is None else sooner.seconds

    def doubtful(self, now: float) -> bool:
        """Whether it has just failed. It may be asked, but others come first: for a second after one failure, for
        two after two in a row, and so on, so that an upstream that died costs few requests a second try.
        """
        return now < self._doubted_until

    def begin(self, now: float) -> bool:
        """A request is sent. Whether it probes an open breaker; its end is to be told with the same word."""
        self.in_flight += 1
        self.requests.add(1, now)
        return self.breaker.begin(now)

    def answered(self, seconds: float, now: float, probe: bool) -> None:
        """Its first event came, after `seconds`. From then on it is no probe any more."""
        self.latency.observe(seconds, now)
        self.breaker.answered(probe)

    def ended(
        self,
        error: BaseException | None,
        now: float,
        probe: bool = False,
        tokens: int = 0,
        again: bool = False,
        since: float = math.inf,
    ) -> bool:
        """The request is over. `error` is what ended it, None for a whole answer. `again`: the same call has
        failed here before, so that one odd request is not taken for several failures. `since`: when it was sent:
        the good end of one sent before a failure says nothing of the time after, and the connections that break
        when an upstream dies broke once. Whether the breaker opened.
        """
        self.in_flight -= 1
        if tokens:
            self.tokens.add(tokens, now)
        if error is None:
            if since >= self._failed_at:
                self._failures = 0
                self._doubted_until = 0.0
            self.breaker.succeeded(probe)
            return False
        if isinstance(error, UpstreamError) and not error.rotated:
            if error.retry_after is not None:
                self._rest(min(error.retry_after, LONGEST_REST), now, said=True)
            elif isinstance(error, UpstreamRateLimited):
                self._rest(self._policy.rate_limit_rest, now, said=False)
        same_death = since < self._failed_at and now < self._failed_at + ONE_DEATH
        known = again or (same_death and isinstance(error, ConnectionFailed))
        if _is_its_fault(error) and (probe or not known):
            self._failures = min(self._failures + 1, LONGEST_DOUBT)
            self._failed_at, self._doubted_until = now, now + self._failures
            return self.breaker.failed(now, probe, isinstance(error, ConnectionRefused))
        self.breaker.told_nothing(probe)
        return False

    def _rest(self, seconds: float, now: float, *, said: bool) -> None:
        if now + seconds > self._resting_until:
            self._resting_until, self._rest_said = now + seconds, said


def _is_its_fault(error: BaseException) -> bool:
    """The caller's own mistakes, a refusal for the rate, and a key that another one replaces, say nothing of the
    target's health.
    """
    if isinstance(error, PlatformError):
        return isinstance(error, UpstreamError) and not (error.rotated or isinstance(error, UpstreamRateLimited))
    return isinstance(error, Exception)


class Fleet:
    """The vitals of every target, and the budgets of every model. They outlive reloads and snapshots."""

    def __init__(self, policy: RoutingPolicy | None = None) -> None:
        self._policy = policy or RoutingPolicy()
        self._listed: dict[tuple[str, str], Vitals] = {}
        self._unlisted: OrderedDict[tuple[str, str], Vitals] = OrderedDict()
        self._budgets: dict[str, tuple[Budget, Budget]] = {}

    def of(self, source: object, integration: str, model: str, *, listed: bool = True) -> Vitals:
        """What is known of `model` at `integration`; nothing any more once another `source` stands there: a reload
        or a restart has mended what there was to mend. Of models that nobody listed, which callers may invent
        without end, only the last ones are remembered.
        """
        key = (integration, model)
        found = self._listed.get(key) or self._unlisted.get(key)
        if found is None or found.source is not source:
            slots = found.slots if found is not None else None
            found = Vitals(self._policy, source, slots)
            self._unlisted.pop(key, None)
            (self._listed if listed else self._unlisted)[key] = found
            if len(self._unlisted) > KEPT_UNLISTED:
                self._unlisted.popitem(last=False)
        return found

    def budgets(self, name: str) -> tuple[Budget, Budget]:
        """For retries, and for hedging."""
        found = self._budgets.get(name)
        if found is None:
            found = Budget(self._policy.retry_budget), Budget(self._policy.hedge_budget, first=1.0)
            self._budgets[name] = found
        return found

    def obey(self, policy: RoutingPolicy) -> None:
        self._policy = policy
        for vitals in (*self._listed.values(), *self._unlisted.values()):
            vitals.obey(policy)
        for retries, hedges in self._budgets.values():
            retries.share, hedges.share = policy.retry_budget, policy.hedge_budget
