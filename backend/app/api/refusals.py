"""What is told of requests that were turned away before there was a call: it has no record to tell of it.

How many came without a good key, in one line where a flood would be a line each; and a line for whatever else was
wrong, so that what a caller was told is found under his request's id.
"""

import logging
from collections import Counter

from app.core.clock import Clock, SystemClock
from app.domain.errors import PlatformError, Unauthenticated

QUIET_SECONDS = 60.0
_MOST_CHARACTERS = 500

logger = logging.getLogger(__name__)
_requests = logging.getLogger("request")


def tell_refused(id: str, route: str, error: PlatformError) -> None:
    if not isinstance(error, Unauthenticated):
        words = (route, error.kind, error.message[:_MOST_CHARACTERS])
        _requests.info("%s refused, %s: %s", *words, extra={"request_id": id})


class Refusals:
    """`counts`: by reason, since the start. Nothing of a key is ever kept here."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock or SystemClock()
        self._told: Counter[str] = Counter()
        self._next = 0.0

    def note(self, reason: str) -> None:
        self.counts[reason] += 1
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + QUIET_SECONDS
        new = self.counts - self._told
        self._told = self.counts.copy()
        told = ", ".join(f"{reason} {count}" for reason, count in new.most_common())
        logger.warning("callers without a good key were refused (%s); told once a minute at most", told)
