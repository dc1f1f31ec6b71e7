"""A circuit breaker for one target: a state machine with the time as an argument.

closed ── failures in a row ──▶ open ── its time is over ──▶ half open ── one probe succeeds ──▶ closed
                                 ▲                               │
                                 └──────── the probe fails ──────┘   (and each opening in a row lasts longer)

Two things shorten the time. Where there is nobody else to ask, it is probed soon after its last failure: it may be
well again, and nothing is lost. And a target that refuses connections is looked at again after a second, for that
costs nobody anything: who has nowhere else to go may always knock there.
"""

from collections.abc import Callable

from app.core.backoff import Backoff
from app.inference.policy import BreakerPolicy

EARLY = Backoff(base=0.1, factor=2.0, maximum=5.0)
"""After its last failure, by the number of probes that failed, when there is nobody else."""

REFUSED = 1.0
"""Seconds that one that refuses connections is left alone, times the openings in a row; at most the cooldown."""

SOON = 1.0
"""Seconds that it is worth waiting until one may be probed."""

SHORTEST = 0.001
LONGEST_PROBE = 5.0
"""Seconds that it is worth waiting for what a probe shows."""


class Breaker:
    """`now` is in seconds of any clock that never goes back. `last`: there is nobody else to ask. `watchers` are
    called when a probe is over, however it went.
    """

    __slots__ = (
        "_failed_probes",
        "_failures",
        "_open_until",
        "_openings",
        "_probe_since",
        "_refused",
        "failed_at",
        "policy",
        "watchers",
    )

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.failed_at = 0.0
        self.watchers: set[Callable[[], None]] = set()
        self._failures = 0
        self._openings = 0
        self._failed_probes = 0
        self._open_until: float | None = None
        self._probe_since: float | None = None
        self._refused = False

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
        if self.closed or self._open_until is None or (last and self._refused):
            return 0.0
        if self._probe_since is not None:
            return EARLY.maximum if last else self.policy.cooldown
        until = self._open_until
        if last:
            until = min(until, self.failed_at + EARLY.ceiling(self._failed_probes))
        return max(0.0, until - now)

    def hope_in(self, now: float) -> float | None:
        """Seconds that one who has nowhere else to go should wait for what is next: that it may be probed, or that
        its probe is over. None when that is not worth it, or not needed: one that refuses may be asked at once.
        """
        if self._refused:
            return None
        if self._probe_since is not None:
            left = self._probe_since + LONGEST_PROBE - now
            return left if left > 0 else None
        left = self.closed_in(now, last=True)
        return max(left, SHORTEST) if left <= SOON else None

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
            self._tell()

    def succeeded(self, probe: bool) -> None:
        """A whole answer. One that was asked for before the opening proves nothing of the time after."""
        if probe or self._open_until is None:
            self._close()
            self._failures = self._openings = self._failed_probes = 0
        if probe:
            self._tell()

    def failed(self, now: float, probe: bool, refused: bool = False) -> bool:
        """Whether this failure opened it. `refused`: the connection was."""
        if not self.policy.failures:
            self._close()
            self._tell()
            return False
        if self._open_until is not None and not probe:
            if not refused:
                self._note(refused)  # if it refused before: somebody listens there again
            return False
        self._failures += 1
        self.failed_at = now
        if probe:
            return self._probe_failed(now, refused)
        if self._failures < self.policy.failures:
            return False
        self._open(now, refused)
        return True

    def told_nothing(self, probe: bool) -> None:
        """It ended in a way that says nothing of the target: the caller left, or the request was at fault."""
        if probe:
            self._probe_since = None
            self._tell()

    def _probe_failed(self, now: float, refused: bool) -> bool:
        """An early one leaves the time as it is."""
        early = self._open_until is not None and now < self._open_until
        self._probe_since = None
        self._failed_probes += 1
        if early:
            self._note(refused)
        else:
            self._open(now, refused)
        self._tell()
        return not early

    def _open(self, now: float, refused: bool) -> None:
        self._note(refused)
        self._openings += 1
        seconds = min(self.policy.max_cooldown, self.policy.cooldown * self._openings)
        if refused:
            seconds = min(self.policy.cooldown, REFUSED * self._openings)
        self._open_until = now + seconds

    def _note(self, refused: bool) -> None:
        """Another kind of failure begins another row of openings."""
        if refused != self._refused:
            self._refused, self._openings = refused, 0

    def _close(self) -> None:
        self._probe_since = self._open_until = None

    def _tell(self) -> None:
        for notify in tuple(self.watchers):
            notify()
