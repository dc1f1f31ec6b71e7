"""Loads that failed: not tried again before some time has passed, longer with each, unless the file has
changed.
"""

import msgspec

from app.core.backoff import Backoff
from app.core.clock import Clock
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.room import Key

_AGAIN = Backoff(base=1.0, maximum=60.0)


class Setback(msgspec.Struct, frozen=True, kw_only=True):
    model: LocalModel
    reason: str
    until: float
    count: int


class Setbacks:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[Key, Setback] = {}

    def record(self, key: Key, model: LocalModel, reason: str) -> float:
        """Returns the seconds until it may be tried again."""
        before = self._known.get(key)
        count = before.count + 1 if before is not None else 0
        rest = _AGAIN.ceiling(count)
        until = self._clock.monotonic() + rest
        self._known[key] = Setback(model=model, reason=reason, until=until, count=count)
        return rest

    def rest(self, key: Key, model: LocalModel) -> tuple[str, float] | None:
        """Why it is not to be tried now, and for how many seconds."""
        known = self._known.get(key)
        if known is None or known.model.marks != model.marks:
            return None
        rest = known.until - self._clock.monotonic()
        return (known.reason, rest) if rest > 0 else None

    def forget(self, key: Key) -> None:
        self._known.pop(key, None)
