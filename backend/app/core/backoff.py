"""Exponential backoff with full jitter. What is retried, and how often, is its user's affair.

Full jitter (anything between nothing and the ceiling) spreads a crowd of clients best:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from dataclasses import dataclass, field
from random import Random, SystemRandom


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """The ceilings are base, base * factor, base * factor², … and never above `maximum`; all in seconds."""

    base: float = 1.0
    factor: float = 2.0
    maximum: float = 60.0
    random: Random = field(default_factory=SystemRandom, compare=False)

    def ceiling(self, attempt: int) -> float:
        """The longest wait after failure number `attempt`, counted from 0."""
        try:
            return min(self.maximum, self.base * self.factor**attempt)
        except OverflowError:
            return self.maximum

    def delay(self, attempt: int) -> float:
        """A wait between 0 and `ceiling(attempt)`."""
        return self.random.uniform(0.0, self.ceiling(attempt))

    def longest(self) -> float:
        """A wait between 0 and `maximum`."""
        return self.random.uniform(0.0, self.maximum)
