"""What a key has spent together with all keys below it.

A sum is made when it is first asked for and kept up to date as calls are recorded. It is made anew only when the
figures behind it were: a check costs the same however many keys there are.
"""

from collections.abc import Sequence
from typing import get_args

from app.accounts.limits.families import Families
from app.domain.ports import Spending, SpendWindow

_WINDOWS: tuple[SpendWindow, ...] = get_args(SpendWindow)


class Purses:
    def __init__(self, spending: Spending, families: Families) -> None:
        self._spending = spending
        self._families = families
        self._sums: dict[tuple[str, SpendWindow], int] = {}
        self._versions: object = None
        spending.listen(self._spent)

    def spent(self, key: str, window: SpendWindow) -> int:
        versions = (self._spending.version, self._families.version)
        if versions != self._versions:
            self._versions = versions
            self._sums.clear()
        found = self._sums.get((key, window))
        if found is None:
            found = sum(self._spending.spent("key", each, window) for each in self._families.of(key))
            self._sums[key, window] = found
        return found

    def learn(self, line: Sequence[str]) -> None:
        """A key's, from the top."""
        *above, key = line
        if above and self._families.learn(line):
            for window in _WINDOWS:
                self._add(above, window, self._spending.spent("key", key, window))

    def _spent(self, key: str, cost: int) -> None:
        for window in _WINDOWS:
            self._add((key, *self._families.above(key)), window, cost)

    def _add(self, keys: Sequence[str], window: SpendWindow, cost: int) -> None:
        for each in keys:
            if (each, window) in self._sums:
                self._sums[each, window] += cost
