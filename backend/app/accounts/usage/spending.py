"""What keys, teams and the platform have spent, for whoever checks budgets: in memory, and up to date.

That is what the database tells, and what this process has recorded that is not in there yet. Others' calls are
seen with the next question, REFRESH_SECONDS later at most, once they are written.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from app.accounts.usage.schemas import Entry
from app.accounts.usage.sums import DAY, Sums, spending
from app.core.clock import Clock
from app.domain.errors import PlatformError
from app.domain.ports import SpendScope, SpendWindow

REFRESH_SECONDS = 3.0
_ALL_AGAIN = 200
"""After so many questions for the last days all others are asked for, too: usage may come late."""

_AT_ONCE = 2000
"""Rows that are counted in one go: answers go on meanwhile."""

logger = logging.getLogger(__name__)

Rows = Iterable[tuple[int, str, str, int]]
Source = Callable[[int, int | None, int], Awaitable[Rows]]
"""Is asked for the days from the first on, to the one before the last if there is one: (day, key, team, cost).
Those before the third, a month's first day, may be told as one. Raises PlatformError.
"""

_Days = dict[SpendScope, dict[str, dict[int, int]]]
"""By scope, whose it is, and day."""


class _Month(NamedTuple):
    today: int
    first: int


class SpendingFigures:
    """Satisfies Spending."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._old, self._recent, self._own = _no_days(), _no_days(), _no_days()
        self._written: list[Sums] = []
        self._listeners: list[Callable[[str, int], object]] = []
        self._month = self._now()
        self._asked = 0
        self.known = False

    def spent(self, scope: SpendScope, id: str, window: SpendWindow) -> int:
        today, month = self._now()
        first = today if window == "day" else month if window == "month" else 0
        total = 0
        for days in (self._old, self._recent, self._own):
            if (found := days[scope].get(id)) is not None:
                total += sum(cost for day, cost in found.items() if day >= first)
        return total

    def spenders(self, scope: SpendScope) -> set[str]:
        return {*self._old[scope], *self._recent[scope], *self._own[scope]}

    def add(self, entry: Entry) -> None:
        """It was recorded here."""
        if entry.cost:
            _count(self._own, int(entry.at // DAY), entry.key_id, entry.team, entry.cost)
            if entry.key_id:
                for tell in self._listeners:
                    tell(entry.key_id, entry.cost)

    @property
    def version(self) -> object:
        return self._asked, self._now()

    def listen(self, listener: Callable[[str, int], object]) -> None:
        self._listeners.append(listener)

    def written(self, entries: Iterable[Entry]) -> None:
        """They were recorded here, and the database has them now, or never will."""
        if sums := spending(entries):
            self._written.append(sums)

    async def keep_up(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception:
                logger.exception("defect in the ledger; what was spent stays as it was known")
            await self._clock.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """What is known stays as it is while the database does not answer."""
        now = self._now()
        written, self._written = self._written, []
        try:
            old = self._old
            if not self.known or now != self._month or self._asked % _ALL_AGAIN == 0:
                old = await _days(await self._source(0, now.today - 1, now.first))
            recent = await _days(await self._source(now.today - 1, None, now.first))
        except BaseException as error:
            self._written = written + self._written
            if isinstance(error, PlatformError):
                return
            raise
        self._old, self._recent, self._month, self.known = old, recent, now, True
        self._asked += 1
        for sums in written:
            _count_all(self._own, sums, -1)

    def _now(self) -> _Month:
        return _month(int(self._clock.now() // DAY))


@lru_cache(maxsize=2)
def _month(today: int) -> _Month:
    return _Month(today, int(datetime.fromtimestamp(today * DAY, UTC).replace(day=1).timestamp() // DAY))


def _no_days() -> _Days:
    return {"platform": {}, "team": {}, "key": {}}


async def _days(rows: Rows) -> _Days:
    days = _no_days()
    for number, (day, key, team, cost) in enumerate(rows, 1):
        _count(days, day, key, team, cost)
        if not number % _AT_ONCE:
            await asyncio.sleep(0)
    return days


def _count_all(days: _Days, sums: Sums, sign: int) -> None:
    for (day, key, team), (cost,) in sums.items():
        _count(days, int(day), str(key), str(team), sign * int(cost))


def _count(days: _Days, day: int, key: str | None, team: str | None, cost: int) -> None:
    _add(days["platform"], "", day, cost)
    if key:
        _add(days["key"], key, day, cost)
    if team:
        _add(days["team"], team, day, cost)


def _add(costs: dict[str, dict[int, int]], id: str, day: int, cost: int) -> None:
    """What comes to nothing is forgotten."""
    found = costs.get(id)
    if found is None:
        found = costs[id] = {}
    total = found.get(day, 0) + cost
    if total:
        found[day] = total
        return
    found.pop(day, None)
    if not found:
        del costs[id]
