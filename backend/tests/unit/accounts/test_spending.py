"""What was spent: the database's word and one's own, each counted once, over the turns of days and months."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from app.accounts.usage.schemas import Entry
from app.accounts.usage.spending import _AT_ONCE, Rows, SpendingFigures
from app.accounts.usage.sums import DAY, spending
from app.domain.errors import Unavailable
from app.testing.clock import VirtualClock
from tests.unit.accounts.ledger_entries import entry

LAST_OF_MAY = datetime(2026, 5, 31, 12, tzinfo=UTC).timestamp()


class Stored:
    """A database of spending."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.gone = False

    async def __call__(self, first: int, last: int | None, month: int) -> Rows:
        if self.gone:
            raise Unavailable("gone")
        found: Iterable[tuple[int, str, str, int]] = (
            (day if day >= month else 0, key, team, cost)  # type: ignore[misc]
            for (day, key, team), (cost,) in spending(self.entries).items()
            if first <= int(day) and (last is None or int(day) < last)
        )
        return list(found)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(LAST_OF_MAY)


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def figures(stored: Stored, clock: VirtualClock) -> SpendingFigures:
    return SpendingFigures(stored, clock)


async def test_a_call_counts_at_once_and_once_only_when_the_database_has_it_too(
    figures: SpendingFigures, stored: Stored
) -> None:
    mine = entry(at=LAST_OF_MAY)
    figures.add(mine)
    for who in (("key", "key-1"), ("team", "red"), ("platform", "")):
        assert figures.spent(*who, "day") == 1000  # type: ignore[arg-type]
    stored.entries.append(mine)
    figures.written([mine])
    assert figures.spent("key", "key-1", "total") == 1000
    await figures.refresh()
    assert figures.spent("key", "key-1", "total") == 1000
    assert figures.spent("key", "key-2", "total") == figures.spent("team", "key-1", "total") == 0


async def test_what_others_spent_and_what_was_spent_before_the_start_is_known_after_a_question(
    figures: SpendingFigures, stored: Stored
) -> None:
    stored.entries += [entry(at=LAST_OF_MAY - days * DAY) for days in (0, 1, 3, 40)]
    assert not figures.known
    await figures.refresh()
    assert figures.known
    assert [figures.spent("team", "red", window) for window in ("day", "month", "total")] == [1000, 3000, 4000]


async def test_days_and_months_end_at_midnight_also_while_nobody_asks(
    figures: SpendingFigures, stored: Stored, clock: VirtualClock
) -> None:
    stored.entries.append(entry(at=LAST_OF_MAY))
    await figures.refresh()
    figures.add(entry(at=LAST_OF_MAY))
    await clock.advance(DAY / 2)
    windows = ("day", "month", "total")
    assert [figures.spent("platform", "", window) for window in windows] == [0, 0, 2000]
    stored.entries.append(entry(at=clock.now()))
    await figures.refresh()
    assert [figures.spent("platform", "", window) for window in windows] == [1000, 1000, 3000]


async def test_what_thousands_spent_is_counted_while_others_go_on(
    figures: SpendingFigures, stored: Stored
) -> None:
    stored.entries += [entry(at=LAST_OF_MAY, key_id=f"key-{number}") for number in range(3 * _AT_ONCE)]
    asking = asyncio.create_task(figures.refresh())
    turns = 0
    while not asking.done():
        assert not figures.known
        turns += 1
        await asyncio.sleep(0)
    assert turns >= 3
    assert figures.spent("team", "red", "day") == 3000 * _AT_ONCE
    assert len(figures.spenders("key")) == 3 * _AT_ONCE


async def test_while_the_database_is_gone_nothing_is_forgotten(figures: SpendingFigures, stored: Stored) -> None:
    mine = entry(at=LAST_OF_MAY)
    stored.entries.append(mine)
    figures.add(mine)
    figures.written([mine])
    stored.gone = True
    await figures.refresh()
    assert figures.spent("platform", "", "day") == 1000
    stored.gone = False
    await figures.refresh()
    assert figures.spent("platform", "", "day") == 1000


async def test_calls_without_a_price_or_a_key_are_the_platforms_alone(figures: SpendingFigures) -> None:
    figures.add(entry(at=LAST_OF_MAY, cost=None))
    figures.add(entry(at=LAST_OF_MAY, key_id=None, team=None))
    assert figures.spent("platform", "", "day") == 1000
    assert figures.spent("key", "", "day") == 0
