"""Several keys for one provider: which goes with the next request, and which rest for what was answered to them.

State and no I/O: upstream.py asks. A cause is told by the error that the provider's own decoder made of an answer,
so that every dialect can use this:

    UpstreamAuthFailed                              the key is refused: out until a check finds it good
    UpstreamAuthFailed, code "model_not_allowed"    the key is good, and this model closed to it
    UpstreamRateLimited, code "insufficient_quota"  its money is spent: out for long
    UpstreamRateLimited                             the limit for one model is reached: out for it, not for long

No other error and no other code is the key's fault. A decoder gives a code of its own to what a caller can bring
about by what it asks: else one such request, tried with key after key, would take them all away from everybody.
"""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence

import msgspec

from app.core.integration_framework import HealthReport, HealthStatus
from app.domain.errors import PlatformError, UpstreamAuthFailed, UpstreamRateLimited

Header = tuple[str, str]

RECHECK_AFTER = 3600.0
"""Seconds that a refused key is left alone before a health check asks with it again."""

SHORTEST_REST, LONGEST_REST = 1.0, 3600.0
"""In seconds, whatever a server's Retry-After says: 0 would have one request go round for ever."""

logger = logging.getLogger(__name__)


class _Cause(msgspec.Struct, frozen=True):
    """`seconds` of rest where the answer names none. `of_model`: for other models the key may still be used."""

    error: type[PlatformError]
    code: str | None
    words: str
    seconds: float
    of_model: bool = False


_REFUSED = _Cause(UpstreamAuthFailed, None, "refused", math.inf)
_CLOSED = _Cause(UpstreamAuthFailed, "model_not_allowed", "not allowed the model", 600.0, of_model=True)
_SPENT = _Cause(UpstreamRateLimited, "insufficient_quota", "out of quota", 600.0)
# Clouds refill their limits all the time, so an unnamed wait is far less than the minute that they count by.
_LIMITED = _Cause(UpstreamRateLimited, None, "at its limit", 10.0, of_model=True)

_CAUSES = {(cause.error, cause.code): cause for cause in (_REFUSED, _CLOSED, _SPENT, _LIMITED)}
_ALL_MODELS = ""


class _Rest(msgspec.Struct, frozen=True):
    cause: _Cause
    until: float


class Key:
    """`label` is its place and the start of its digest, for people; `header` shows it to the provider."""

    __slots__ = ("header", "label", "refused_at", "rests")

    def __init__(self, place: int, text: str, header: Header) -> None:
        self.label = f"{place} (sha256 {hashlib.sha256(text.encode()).hexdigest()[:8]})"
        self.header = header
        self.refused_at = -math.inf
        self.rests: dict[str, _Rest] = {}

    def __repr__(self) -> str:
        return f"Key({self.label})"

    @property
    def refused(self) -> bool:
        return _ALL_MODELS in self.rests and self.rests[_ALL_MODELS].cause is _REFUSED

    def resting(self, model: str, now: float) -> _Rest | None:
        """What keeps it from `model` for longest."""
        if not self.rests:
            return None
        found = [self.rests[scope] for scope in (_ALL_MODELS, model) if scope in self.rests]
        return max((rest for rest in found if rest.until > now), key=_end, default=None)

    def lay_off(self, model: str, rest: _Rest, now: float) -> bool:
        """Whether that is news. A rest that ends earlier than the present one changes nothing."""
        # The names of models are the callers' and may be any number: what is over is forgotten.
        self.rests = {scope: each for scope, each in self.rests.items() if each.until > now}
        scope = model if rest.cause.of_model else _ALL_MODELS
        known = self.rests.get(scope)
        if known is not None and known.until >= rest.until:
            return False
        self.rests[scope] = rest
        return known is None or known.cause is not rest.cause


def _end(rest: _Rest) -> float:
    return rest.until


class KeyRing:
    """The keys take turns. Whoever sends a request with the key that `take` gave hands the error that came of it
    to `blame`, and raises what that returns.
    """

    def __init__(
        self,
        keys: Sequence[str],
        header: Callable[[str], Header],
        *,
        provider: str,
        recheck_after: float = RECHECK_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`header` makes the line that shows a key."""
        self._keys = tuple(Key(place, key, header(key)) for place, key in enumerate(keys, start=1))
        self._provider = provider
        self._recheck_after = recheck_after
        self._clock = clock
        self._turn = 0

    def take(self, model: str) -> Key:
        """The next key for a request to `model`. Raises UpstreamRateLimited or UpstreamAuthFailed when all rest,
        with the time until the first is back.
        """
        now = self._clock()
        for key in self._in_turn():
            if key.resting(model, now) is None:
                return self._taken(key)
        raise self._none_left(model, now)

    def blame(self, key: Key, model: str, error: PlatformError) -> PlatformError:
        """Lets `key` rest if the error is its fault.

        Returns the error to raise: this one, `rotated` and without a time to wait where there is another key to
        try at once, or what `take` would raise now.
        """
        cause = _CAUSES.get((type(error), error.code))
        if cause is None:
            return error
        now = self._clock()
        self._lay_off(key, model, cause, now, error.retry_after)
        if all(each.resting(model, now) for each in self._keys):
            return self._none_left(model, now)
        error.rotated, error.retry_after = True, None
        return error

    def to_check(self) -> list[Key]:
        """The keys for a small question, such as a health check, in the order to try until one is let in: those
        that were refused long ago, then the good ones; only where no key is good, all of them.
        """
        now = self._clock()
        good = [key for key in self._in_turn() if not key.refused]
        if not good:
            return list(self._keys)
        self._taken(good[0])
        return [key for key in self._keys if key.refused and now - key.refused_at >= self._recheck_after] + good

    def checked(self, key: Key, *, refused: bool) -> None:
        """What was answered to one of `to_check`."""
        if refused:
            self._lay_off(key, _ALL_MODELS, _REFUSED, self._clock())
        elif key.refused:
            del key.rests[_ALL_MODELS]
            logger.info("%s: key %s is good again", self._provider, key.label)

    def told_in(self, report: HealthReport) -> HealthReport:
        """`report` with how many keys are in use; DEGRADED when one is out for all models."""
        out = self._out()
        details = {**report.details, "keys": {"usable": len(self._keys) - len(out), "of": len(self._keys)}}
        if not out or report.status is not HealthStatus.HEALTHY:
            return msgspec.structs.replace(report, details=details)
        return HealthReport(HealthStatus.DEGRADED, "; ".join(out), details)

    def _in_turn(self) -> tuple[Key, ...]:
        return self._keys[self._turn :] + self._keys[: self._turn]

    def _taken(self, key: Key) -> Key:
        self._turn = (self._keys.index(key) + 1) % len(self._keys)
        return key

    def _lay_off(self, key: Key, model: str, cause: _Cause, now: float, retry_after: float | None = None) -> None:
        wait = cause.seconds if retry_after is None else min(max(retry_after, SHORTEST_REST), LONGEST_REST)
        news = key.lay_off(model, _Rest(cause, now + wait), now)
        if cause is _REFUSED:
            key.refused_at = now
        if news and not cause.of_model:
            left = len(self._keys) - len(self._out())
            logger.warning("%s: key %s is %s; usable keys left: %d", self._provider, key.label, cause.words, left)

    def _out(self) -> list[str]:
        """The keys that no model can be asked with, each in words."""
        now = self._clock()
        resting = ((key, key.resting(_ALL_MODELS, now)) for key in self._keys)
        return [f"key {key.label} is {rest.cause.words}" for key, rest in resting if rest]

    def _none_left(self, model: str, now: float) -> PlatformError:
        """What all rest for, and until when."""
        first = min((rest for key in self._keys if (rest := key.resting(model, now))), key=_end)
        return first.cause.error(
            f"'{self._provider}' takes none of the platform's keys now.",
            code=first.cause.code,
            retry_after=None if math.isinf(first.until) else first.until - now,
            provider=self._provider,
        )
