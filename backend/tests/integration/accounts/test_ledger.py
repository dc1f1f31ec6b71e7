"""The ledger over real databases: every call is there, once, whatever dies on the way."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.accounts.store import Store
from app.accounts.usage.ledger import Keeping, Ledger
from app.accounts.usage.schemas import AttemptEntry, line
from app.accounts.usage.spool import Segment
from app.accounts.usage.sums import DAY
from app.core.integration_framework import IntegrationConfig
from app.domain.ports import SqlDatabase
from app.integrations.storage.database.integration import DatabaseIntegration
from app.testing.clock import VirtualClock
from tests.integration.accounts.rooms import Process
from tests.servers.postgres import Postgres
from tests.unit.accounts.ledger_entries import NOON, entry

Make = Callable[[], Ledger]


@pytest.fixture
async def make(room: Process, tmp_path: Path) -> AsyncIterator[Make]:
    """Ledgers of processes that share the database and the folder."""
    made: list[Ledger] = []

    def new() -> Ledger:
        ledger = Ledger(Store(lambda: [room.database]), tmp_path / "usage", clock=VirtualClock(NOON))
        made.append(ledger)
        return ledger

    yield new
    for ledger in made:
        ledger.close()


@pytest.fixture
def ledger(make: Make) -> Ledger:
    return make()


async def ids(room: Process) -> list[str]:
    return sorted(row["id"] for row in await room.rows("requests"))


async def requests_in_sums(room: Process) -> int:
    return sum(row["requests"] for row in await room.rows("usage_hours"))


async def test_a_call_becomes_its_rows_and_counts_in_the_sums(room: Process, ledger: Ledger) -> None:
    failed = AttemptEntry("other", "gpt-0", 0.125, 0.5, "unavailable")
    ledger.record(entry(id="one", attempts=2, tried=(failed, AttemptEntry("cloud", "gpt-1", 0.25)), stream=True))
    ledger.record(entry(id="two", outcome="cancelled", estimated=True, cost=None, integration=None, model="any"))
    assert await ledger.flush()
    one, two = sorted(await room.rows("requests"), key=lambda row: str(row["id"]))
    assert one["at"] == NOON
    assert (one["stream"], one["estimated"], one["cost"], one["attempts"]) == (True, False, 1000, 2)
    assert (two["estimated"], two["cost"], two["outcome"]) == (True, None, "cancelled")
    attempts = [row for row in await room.rows("attempts") if row["id"] == "one"]
    assert [(row["number"], row["outcome"], row["waited"]) for row in attempts] == [
        (1, "unavailable", 0.5),
        (2, "ok", 0.0),
    ]
    hours = {row["model"]: row for row in await room.rows("usage_hours")}
    assert (hours["gpt"]["requests"], hours["gpt"]["cost"], hours["gpt"]["attempts"]) == (1, 1000, 2)
    assert (hours[""]["cancelled"], hours[""]["errors"], hours[""]["unpriced"]) == (1, 0, 1)
    assert [row["cost"] for row in await room.rows("spending")] == [1000]


async def test_more_than_a_batch_is_written_whole(room: Process, ledger: Ledger, tmp_path: Path) -> None:
    sent = [entry() for _ in range(1234)]
    for each in sent:
        ledger.record(each)
    assert await ledger.flush()
    assert await ids(room) == sorted(each.id for each in sent)
    assert await requests_in_sums(room) == 1234
    assert list((tmp_path / "usage").iterdir()) == []


async def test_what_is_recorded_in_a_turn_is_on_disk_at_its_end(ledger: Ledger, tmp_path: Path) -> None:
    sent = [entry() for _ in range(3)]
    for each in sent:
        ledger.record(each)
    await asyncio.sleep(0)
    (file,) = (tmp_path / "usage").iterdir()
    assert file.read_bytes() == b"".join(map(line, sent))


async def test_a_crash_between_commit_and_delete_doubles_nothing(
    room: Process, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make(), make()
    monkeypatch.setattr(Segment, "delete", Segment.let_go)  # it dies there: the file stays, and its lock is gone
    for number in range(700):
        first.record(entry(id=f"{number:03d}"))
    assert await first.flush()
    monkeypatch.undo()
    assert await second.flush()
    assert await ids(room) == [f"{number:03d}" for number in range(700)]
    assert await requests_in_sums(room) == 700
    assert sum(row["cost"] for row in await room.rows("spending")) == 700_000


async def test_of_a_file_that_was_written_in_part_only_the_rest_is_added(
    room: Process, make: Make, tmp_path: Path
) -> None:
    (tmp_path / "usage").mkdir()
    one, two, three = (entry(id=id) for id in ("one", "two", "three"))
    for name, lines in (("a.usage", [one, two]), ("b.usage", [two, three, three])):
        (tmp_path / "usage" / name).write_bytes(b"".join(map(line, lines)))
        assert await make().flush()
    assert await ids(room) == ["one", "three", "two"]
    assert await requests_in_sums(room) == len(await room.rows("attempts")) == 3
    assert sum(row["cost"] for row in await room.rows("spending")) == 3000


async def test_a_crash_before_the_commit_loses_nothing(room: Process, make: Make) -> None:
    first = make()
    first.record(entry(id="kept"))
    first.close()
    assert await make().flush()
    assert await ids(room) == ["kept"]


async def test_two_who_write_the_same_at_once_count_it_once(room: Process, make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "usage"
    folder.mkdir()
    lines = b"".join(line(entry()) for _ in range(900))
    for name in ("a.usage", "b.usage"):  # the same, as if both had it
        (folder / name).write_bytes(lines)
    both = [make(), make()]
    for each, name in zip(both, ("a.usage", "b.usage"), strict=True):
        each._writer._segments.append(Segment(folder / name, os.open(folder / name, os.O_RDONLY), own=False))
    assert await asyncio.gather(*(each.flush() for each in both)) == [True, True]
    assert len(await ids(room)) == await requests_in_sums(room) == 900


async def test_a_torn_last_line_is_told_and_the_others_are_kept(
    room: Process, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "usage").mkdir()
    (tmp_path / "usage" / "left.usage").write_bytes(line(entry(id="whole")) + line(entry(id="torn"))[:-30])
    assert await make().flush()
    assert await ids(room) == ["whole"]
    assert "left.usage: a torn line" in caplog.text


async def test_one_row_that_the_database_refuses_keeps_no_other_out(
    room: Process, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refused = [] if room.database.settings.url is None else [7]  # SQLite takes a text of any length
    ledger = make()
    for number in range(20):
        ledger.record(entry(id=f"{number:02d}", tier="x" * (65 if number == 7 else 5)))
    assert await ledger.flush()
    assert await ids(room) == [f"{number:02d}" for number in range(20) if number not in refused]
    aside = tmp_path / "usage" / "rejected.jsonl"
    assert aside.exists() == ("refuses an entry" in caplog.text) == bool(refused)
    assert not refused or b'["07",' in aside.read_bytes()


async def test_what_no_disk_takes_goes_right_into_the_database(room: Process, make: Make, tmp_path: Path) -> None:
    (tmp_path / "usage").write_text("in the way")
    ledger = make()
    ledger.record(entry(id="held"))
    assert await ledger.flush()
    assert await ids(room) == ["held"]


@pytest.mark.parametrize("jump", [-400 * DAY, 400 * DAY])
async def test_clocks_that_jump_lose_nothing(room: Process, ledger: Ledger, jump: float) -> None:
    for at in (NOON, NOON + jump, NOON + 1):
        ledger.record(entry(at=at))
    assert await ledger.flush()
    assert len(await ids(room)) == await requests_in_sums(room) == 3
    await ledger.spending.refresh()
    assert ledger.spending.spent("platform", "", "total") == 3000


async def test_old_calls_go_and_their_sums_stay(
    room: Process, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = (0, 10, 130, 200, 1000)
    for days in ages:
        ledger.record(entry(id=f"{days:04d}", at=NOON - days * DAY))
    assert await ledger.flush()
    await ledger.tidy()
    assert await ids(room) == ["0000", "0010"]
    assert sorted(row["id"] for row in await room.rows("attempts")) == ["0000", "0010"]
    assert await requests_in_sums(room) == 4
    monkeypatch.setattr(ledger, "_keeping", lambda: Keeping(retention_days=0.01))
    await ledger.tidy()
    await ledger.spending.refresh()
    assert ledger.spending.spent("key", "key-1", "total") == len(ages) * 1000


async def test_rows_without_partitions_go_in_bounded_steps(
    room: Process, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.accounts.usage import repository

    monkeypatch.setattr(repository, "_AT_ONCE", 7)
    for number in range(50):
        ledger.record(entry(at=NOON - 200 * DAY + number // 3))
    ledger.record(entry(id="young"))
    assert await ledger.flush()
    await ledger.tidy()
    assert await ids(room) == ["young"]


async def test_what_others_spent_is_seen_when_it_is_written(make: Make) -> None:
    mine, other = make(), make()
    mine.record(entry())
    other.record(entry())
    assert await mine.flush()
    await other.spending.refresh()
    assert other.spending.spent("team", "red", "month") == 2000
    assert await other.flush()
    for each in (mine, other):
        await each.spending.refresh()
        assert each.spending.spent("team", "red", "month") == 2000


class Gone:
    """Where the database should be."""

    def __init__(self) -> None:
        self.databases: list[SqlDatabase] = []

    def __call__(self) -> list[SqlDatabase]:
        return self.databases


async def test_without_a_database_usage_waits_and_one_line_tells_so(
    room: Process, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Gone()
    ledger = Ledger(Store(gone), tmp_path / "usage")
    with caplog.at_level(logging.INFO, "app.accounts"):
        for number in range(5):
            ledger.record(entry(id=str(number)))
            assert not await ledger.flush()
        assert ledger.waiting().failing
        assert len(list((tmp_path / "usage").iterdir())) <= 2
        gone.databases.append(room.database)
        assert await ledger.flush()
    assert await ids(room) == ["0", "1", "2", "3", "4"]
    assert len(caplog.messages) == 2
    assert not ledger.waiting().failing
    ledger.close()


@asynccontextmanager
async def opened(settings: dict[str, Any]) -> AsyncIterator[DatabaseIntegration]:
    database = DatabaseIntegration(IntegrationConfig(name="database", settings=settings))
    await database.initialize()
    try:
        yield database
    finally:
        await database.shutdown()


async def test_while_postgresql_is_frozen_usage_waits_and_then_all_of_it_is_there(
    postgres: Postgres, tmp_path: Path
) -> None:
    async with postgres.database() as url, opened({"url": url, "timeout": 0.5}) as database:
        ledger = Ledger(Store(lambda: [database]), tmp_path / "usage")
        ledger.record(entry())
        assert await ledger.flush()
        with postgres.frozen():
            for _ in range(10):
                ledger.record(entry())
            assert not await ledger.flush()
            ledger.record(entry())
        async with asyncio.timeout(10):
            while not await ledger.flush():
                pass
        async with database.reading() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM requests"))).scalar_one() == 12
            assert (await connection.execute(text("SELECT sum(requests) FROM usage_hours"))).scalar_one() == 12
        ledger.close()


async def test_at_the_stop_what_waits_is_written_and_what_comes_later_is_for_the_next_start(
    room: Process, make: Make
) -> None:
    ledger = make()
    ledger.start()
    ledger.record(entry(id="before"))
    await ledger.stop()
    assert await ids(room) == ["before"]
    ledger.record(entry(id="after"))
    ledger.close()
    next_one = make()
    next_one.start()
    async with asyncio.timeout(10):
        while len(await ids(room)) < 2:  # noqa: ASYNC110 - the database is asked
            await asyncio.sleep(0.01)
    await next_one.stop()


def test_every_entry_has_an_id_of_its_own(tmp_path: Path) -> None:
    ledgers = [Ledger(Store(lambda: ()), tmp_path) for _ in range(2)]
    made: set[str] = {each.next_id() for each in ledgers for _ in range(1000)}
    assert len(made) == 2000
    assert max(map(len, made)) <= 40
