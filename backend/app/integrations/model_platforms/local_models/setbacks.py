"""Loads that failed: not tried again before some time has passed, longer with each, unless the file has
changed.
"""

import msgspec

from app.core.backoff import Backoff
from app.core.clock import Clock
from app.domain.errors import UpstreamUnavailable
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.room import Key

_AGAIN = Backoff(base=1.0, maximum=60.0)


class Setback(msgspec.Struct, frozen=True, kw_only=True):
    model: LocalModel
    reason: str
    until: float
    count: int


class Setbacks:
    """`provider` is named in errors."""

    def __init__(self, clock: Clock, provider: str) -> None:
        self._clock = clock
        self._provider = provider
        self._known: dict[Key, Setback] = {}

    def failed(self, key: Key, model: LocalModel, reason: str) -> UpstreamUnavailable:
        """Remembers it, and tells when it may be tried again."""
        before = self._known.get(key)
        count = before.count + 1 if before is not None else 0
        rest = _AGAIN.ceiling(count)
        until = self._clock.monotonic() + rest
        self._known[key] = Setback(model=model, reason=reason, until=until, count=count)
        return self.unavailable(model, reason, rest)

    def refuse(self, key: Key, model: LocalModel) -> None:
        """Raises UpstreamUnavailable while it is not to be tried again."""
        known = self._known.get(key)
        if known is None or known.model.marks != model.marks:
            return
        rest = known.until - self._clock.monotonic()
        if rest > 0:
            raise self.unavailable(model, known.reason, rest)

    def forget(self, key: Key) -> None:
        self._known.pop(key, None)

    def unavailable(self, model: LocalModel, reason: str, rest: float) -> UpstreamUnavailable:
        message = f"The local model '{model.id}' cannot be loaded: {reason}."
        return UpstreamUnavailable(message, provider=self._provider, retry_after=rest)
