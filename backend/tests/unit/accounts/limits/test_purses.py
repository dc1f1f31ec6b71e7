"""Sums of keys and those below: right at every step, and made from all keys as seldom as can be."""

from collections.abc import Iterable

import pytest

from app.accounts.limits.families import Families
from app.accounts.limits.purses import Purses
from app.accounts.usage.spending import Rows, SpendingFigures
from app.accounts.usage.sums import DAY
from app.domain.ports import SpendScope, SpendWindow
from app.testing.clock import VirtualClock
from tests.unit.accounts.ledger_entries import NOON, entry

CHILDREN = 1000


class Figures(SpendingFigures):
    asked = 0

    def spent(self, scope: SpendScope, id: str, window: SpendWindow) -> int:
        self.asked += 1
        return super().spent(scope, id, window)


class Case:
    def __init__(self) -> None:
        self.rows: list[tuple[int, str, str, int]] = []
        self.paths = [f"top/{number}" for number in range(CHILDREN)]
        self.clock = VirtualClock(NOON)
        self.figures = Figures(self._stored, self.clock)
        self.families = Families(self._paths)
        self.subject = Purses(self.figures, self.families)

    async def _stored(self, first: int, last: int | None, _: int) -> Rows:
        return [row for row in self.rows if row[0] >= first and (last is None or row[0] < last)]

    async def _paths(self) -> Iterable[str]:
        return self.paths

    def spend(self, key: str, cost: int) -> None:
        self.figures.add(entry(at=self.clock.now(), key_id=key, cost=cost))


@pytest.fixture
async def case() -> Case:
    case = Case()
    await case.families.refresh()
    return case


async def test_a_check_does_not_ask_for_every_key_below(case: Case) -> None:
    assert case.subject.spent("top", "day") == 0
    case.figures.asked = 0
    for number in range(CHILDREN):
        case.subject.learn(("top", str(number)))
        case.spend(str(number), 2)
        assert case.subject.spent("top", "day") == 2 * number + 2
    assert case.figures.asked == 0


async def test_a_new_key_brings_what_it_has_spent(case: Case) -> None:
    case.spend("new", 5)
    assert case.subject.spent("top", "month") == 0
    case.subject.learn(("top", "new"))
    case.subject.learn(("top", "new"))
    assert case.subject.spent("top", "month") == 5
    case.spend("new", 1)
    case.spend("top", 1)
    assert case.subject.spent("top", "month") == 7
    assert case.subject.spent("new", "month") == 6


async def test_sums_follow_the_database_the_families_and_the_days(case: Case) -> None:
    case.spend("3", 5)
    assert case.subject.spent("top", "day") == 5
    case.rows.append((int(NOON // DAY), "4", "", 10))
    await case.figures.refresh()
    assert case.subject.spent("top", "day") == 15
    case.spend("other", 100)
    case.paths.append("top/other")
    await case.families.refresh()
    assert case.subject.spent("top", "day") == 115
    await case.clock.advance(DAY)
    assert [case.subject.spent("top", window) for window in ("day", "total")] == [0, 115]
