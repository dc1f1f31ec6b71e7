"""The ledger as a whole: from its start, and in a process that is short of files."""

import asyncio
from pathlib import Path

from app.accounts.limits.admission import Admission
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.accounts.store import Store
from app.accounts.usage.ledger import Ledger
from app.accounts.usage.report import UsageQuery
from app.api.refusals import Refusals
from app.domain.ports import SqlDatabase
from app.inference.catalog import LiveCatalog
from app.inference.routes import Routing
from app.inference.tally import Tally
from app.observing import Observed
from app.testing.clock import VirtualClock
from tests.integration.accounts.rooms import Process
from tests.unit.accounts.ledger_entries import NOON, entry, no_more_files


def ledger_of(room: Process, folder: Path) -> Ledger:
    return Ledger(Store(lambda: [room.database]), folder, clock=VirtualClock(NOON))


async def test_what_was_spent_is_known_before_anything_is_written(room: Process, tmp_path: Path) -> None:
    before = ledger_of(room, tmp_path)
    before.record(entry())
    assert await before.flush()
    before.close()
    ledger = ledger_of(room, tmp_path)
    ledger.record(entry())
    ledger.start()  # its clock stands still, and so it writes nothing
    async with asyncio.timeout(10):
        while not ledger.spending.known:  # noqa: ASYNC110 - the database is asked
            await asyncio.sleep(0.01)
    assert ledger.spending.spent("platform", "", "total") == 2000
    assert len(await room.rows("requests")) == 1
    await ledger.stop()
    ledger.close()


async def test_usage_is_told_by_a_process_that_can_open_no_file(room: Process, tmp_path: Path) -> None:
    ledger = ledger_of(room, tmp_path)
    ledger.record(entry())
    query = UsageQuery(since=NOON - 1, until=NOON + 1)
    assert (await ledger.report(query)).complete
    ledger.record(entry())
    with no_more_files():
        told = await ledger.report(query)
    assert [sums.requests for _, sums in told.rows] == [2]
    ledger.close()


async def test_metrics_tell_of_usage_that_waits(room: Process, tmp_path: Path) -> None:
    databases: list[SqlDatabase] = []
    folder = tmp_path / "usage"
    ledger = Ledger(Store(lambda: databases), folder, clock=VirtualClock(NOON))

    def told() -> list[float]:
        state = observed(ledger).ledger()
        assert state is not None
        return [state.waiting, state.failing, state.lost]

    ledger.record(entry())
    assert not await ledger.flush()
    assert told() == [sum(each.stat().st_size for each in folder.iterdir()), True, 0]
    databases.append(room.database)
    assert await ledger.flush()
    assert told() == [0, False, 0]
    ledger.close()


def observed(ledger: Ledger) -> Observed:
    catalog = LiveCatalog(list, Routing())
    return Observed(catalog, Tally(), Admission(Tiers(), SharedLimits(MemoryLimits())), Refusals, ledger)
