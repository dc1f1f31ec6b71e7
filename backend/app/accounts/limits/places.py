"""How many of a caller's requests may be under way at once. It counts as a SlidingWindow does, without a time."""

RETRY_SECONDS = 1.0
"""When to come again where all places are taken: nobody knows when one gets free."""


class Places:
    __slots__ = ("_taken", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0

    def left(self, now: float) -> tuple[int, float]:
        return max(0, self.limit - self._taken), 0.0

    def fits(self, amount: int, now: float) -> bool:
        return self._taken < self.limit

    def take(self, amount: int, now: float, force: bool = False) -> tuple[int, int, float] | None:
        if self._taken >= self.limit and not force:
            return None
        self._taken += amount
        left = self.limit - self._taken
        return 0, (left if left > 0 else 0), 0.0

    def correct(self, step: int, amount: int, now: float) -> None:
        self._taken += amount

    def recent(self, now: float) -> int:
        return self._taken

    def free_in(self, amount: int, now: float, limit: int | None = None) -> float:
        return RETRY_SECONDS
