"""How many callers were turned away for their key, and one line in the log where a flood would be a line each."""

import logging
from collections import Counter

from app.core.clock import Clock, SystemClock

QUIET_SECONDS = 60.0

logger = logging.getLogger(__name__)


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
