"""A circuit breaker for one target: a state machine with the time as an argument.

closed ── failures in a row ──▶ open ── its time is over ──▶ half open ── one probe succeeds ──▶ closed
                                 ▲                               │
                                 └──────── the probe fails ──────┘   (and each opening in a row lasts longer)

Where there is nobody else to ask, an open one is probed far earlier: it may be well again, and nothing is lost.
"""

from app.inference.policy import BreakerPolicy

EARLY = 1.0
"""Seconds after the last failure, times the openings in a row, when there is nobody else."""

SURGE = 0.25
"""For so many seconds a probe is joined by others that have nowhere else to go, too."""


class Breaker:
    """`now` is in seconds of any clock that never goes back. `last`: there is nobody else to ask."""

    __slots__ = ("_failed_at", "_failures", "_open_until", "_openings", "_probe_since", "policy")

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self._failures = 0
        self._failed_at = 0.0
        self._openings = 0
        self._open_until: float | None = None
        self._probe_since: float | None = None

    @property
    def closed(self) -> bool:
        return self._open_until is None or not self.policy.failures

    @property
    def state(self) -> str:
        if self._open_until is None:
            return "closed"
        return "open" if self._probe_since is None else "half_open"

    def closed_in(self, now: float, last: bool = False) -> float:
        """Seconds until a request may be sent: 0 when one may now. While a probe is under way nobody knows how
        long it takes; then it is a cooldown at most.
        """
        if self.closed or self._open_until is None:
            return 0.0
        if self._probe_since is not None:
            return 0.0 if last and now < self._probe_since + SURGE else self.policy.cooldown
        until = self._open_until
        if last:
            until = min(until, self._failed_at + EARLY * self._openings)
        return max(0.0, until - now)

    def begin(self, now: float) -> bool:
        """A request is sent. Whether it is the probe: its end is to be told with the same word."""
        if self._open_until is None or self._probe_since is not None:
            return False
        self._probe_since = now
        return True

    def answered(self, probe: bool) -> None:
        """The first event is there: a probe has shown what it was to show, yet one more failure opens again."""
        if probe:
            self._close()
            self._failures = max(0, self.policy.failures - 1)

    def succeeded(self, probe: bool) -> None:
        """A whole answer. One that was asked for before the opening proves nothing of the time after."""
        if probe or self._open_until is None:
            self._close()
            self._failures = self._openings = 0

    def failed(self, now: float, probe: bool) -> bool:
        """Whether this failure opened it."""
        if probe:
            self._probe_since = None
        if not self.policy.failures:
            self._close()
            return False
        if self._open_until is not None and not probe:
            return False
        self._failures += 1
        self._failed_at = now
        if self._failures < self.policy.failures and not probe:
            return False
        self._openings += 1
        self._probe_since = None
        self._open_until = now + min(self.policy.max_cooldown, self.policy.cooldown * self._openings)
        return True

    def told_nothing(self, probe: bool) -> None:
        """It ended in a way that says nothing of the target: the caller left, or the request was at fault."""
        if probe:
            self._probe_since = None

    def _close(self) -> None:
        self._probe_since = self._open_until = None
