"""A circuit breaker for one target: a state machine with the time as an argument.

closed ── failures in a row ──▶ open ── its time is over ──▶ half open ── one probe succeeds ──▶ closed
                                 ▲                               │
                                 └──────── the probe fails ──────┘   (and each opening in a row lasts longer)
"""

from app.inference.policy import BreakerPolicy


class Breaker:
    """`now` is in seconds of any clock that never goes back."""

    __slots__ = ("_failures", "_open_until", "_openings", "_probing", "policy")

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self._failures = 0
        self._openings = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def closed(self) -> bool:
        return self._open_until is None

    @property
    def state(self) -> str:
        if self._open_until is None:
            return "closed"
        return "half_open" if self._probing else "open"

    def closed_in(self, now: float) -> float:
        """Seconds until a request may be sent: 0 when one may now. While a probe is under way nobody knows how
        long it takes; then it is a cooldown at most.
        """
        if self._open_until is None:
            return 0.0
        if self._probing:
            return self.policy.cooldown
        return max(0.0, self._open_until - now)

    def begin(self) -> bool:
        """A request is sent. Whether it is the probe: its end is to be told with the same word."""
        if self._open_until is None or self._probing:
            return False
        self._probing = True
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
        if not self.policy.failures or (self._open_until is not None and not probe):
            return False
        self._failures += 1
        if self._failures < self.policy.failures and not probe:
            return False
        self._openings += 1
        self._probing = False
        self._open_until = now + min(self.policy.max_cooldown, self.policy.cooldown * self._openings)
        return True

    def told_nothing(self, probe: bool) -> None:
        """It ended in a way that says nothing of the target: the caller left, or the request was at fault."""
        if probe:
            self._probing = False

    def _close(self) -> None:
        self._probing, self._open_until = False, None
