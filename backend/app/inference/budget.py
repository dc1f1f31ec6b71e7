"""A share of the requests that may be sent once more: so that a failing upstream is never asked to death."""

import math

KEPT = 100.0
FADE = 60.0
"""Seconds after which a third is left of what was saved beyond that."""


class Budget:
    """Every request earns `share` of a further try; `first` are given from the start. A hundred may be kept for as
    long as it takes; what busy times save beyond that, when one death breaks hundreds of answers, soon fades.

    So after N requests at most `first + share * N` further tries were made, however they fail.
    """

    __slots__ = ("_at", "_saved", "share")

    def __init__(self, share: float, first: float = 3.0) -> None:
        self.share = share
        self._saved = first
        self._at = 0.0

    def earn(self, now: float) -> None:
        beyond = self._saved - KEPT
        if beyond > 0:
            self._saved = KEPT + beyond * math.exp((self._at - now) / FADE)
        self._at = now
        self._saved += self.share

    def spend(self) -> bool:
        """Whether a further try may be made."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
