"""The database integration over real SQLite files."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from app.core.clock import Clock
from app.core.integration_framework import IntegrationConfig, IntegrationConfigError, IntegrationNotReady
from app.domain.errors import NotFound, UpstreamError, UpstreamTimeout, UpstreamUnavailable
from app.domain.ports import ResponseStore
from app.domain.responses import StoredResponse
from app.integrations.storage.database import integration as module
from app.integrations.storage.database.integration import SWEEP_SECONDS, WARM_UP_SECONDS, DatabaseIntegration
from app.integrations.storage.database.settings import DatabaseSettings, sqlite_file
from app.testing.clock import VirtualClock
from app.testing.contract import IntegrationContract

DAY = 86_400.0
START = 1_700_000_000.0


def config(folder: Path, **settings: Any) -> IntegrationConfig:
    return IntegrationConfig(name="database", settings={"data_dir": str(folder), **settings})


@asynccontextmanager
async def running(folder: Path, clock: Clock | None = None, **settings: Any) -> AsyncIterator[DatabaseIntegration]:
    database = DatabaseIntegration(config(folder, **settings), clock or VirtualClock(START))
    try:
        await database.initialize()
        yield database
    finally:
        await database.shutdown()


def stored(
    id: str, previous_id: str | None = None, principal: str = "ann", created: float = START
) -> StoredResponse:
    items, body = f'["{id}"]'.encode(), f'{{"id":"{id}"}}'.encode()
    return StoredResponse(
        id=id, principal=principal, previous_id=previous_id, created=created, items=items, body=body
    )


class TestDatabase(IntegrationContract):
    integration = DatabaseIntegration
    bad_settings = ({"url": "mysql://h/d"}, {"retention_days": 0}, {"folder": "/data"})
    unready_settings: ClassVar[dict[str, Any]] = {"data_dir": "/proc/none"}

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = str(tmp_path)

    def good_settings(self) -> dict[str, Any]:
        return {"data_dir": self.folder}


async def test_what_is_put_can_be_had_until_it_is_deleted(tmp_path: Path) -> None:
    async with running(tmp_path) as database:
        assert isinstance(database, ResponseStore)
        await database.put_response(stored("a"))
        assert await database.get_response("a", "ann") == stored("a")
        assert await database.delete_response("a", "ann")
        assert not await database.delete_response("a", "ann")
        assert await database.get_response("a", "ann") is None


async def test_the_later_of_one_id_counts(tmp_path: Path) -> None:
    async with running(tmp_path) as database:
        await database.put_response(stored("a", created=START - 1))
        await database.put_response(stored("a"))
        found = await database.get_response("a", "ann")
        assert found is not None
        assert found.created == START


async def test_one_in_memory_lives_as_long_as_the_platform(tmp_path: Path) -> None:
    async with running(tmp_path, url="sqlite:///:memory:") as database:
        await database.put_response(stored("a"))
        assert await database.get_response("a", "ann") == stored("a")


async def test_nobody_sees_or_deletes_anothers(tmp_path: Path) -> None:
    async with running(tmp_path) as database:
        await database.put_response(stored("a"))
        assert await database.get_response("a", "bob") is None
        assert not await database.delete_response("a", "bob")
        with pytest.raises(NotFound):
            await database.response_history("a", "bob")
        await database.put_response(stored("a", principal="bob"))
        assert await database.get_response("a", "ann") == stored("a")


async def test_a_history_is_told_from_its_beginning(tmp_path: Path) -> None:
    async with running(tmp_path) as database:
        for id, before in (("a", None), ("b", "a"), ("c", "b"), ("other", "a")):
            await database.put_response(stored(id, before))
        history = await database.response_history("c", "ann")
        assert [each.id for each in history] == ["a", "b", "c"]
        assert list(await database.response_history("nobody's", "ann")) == []


async def test_a_history_never_leads_to_anothers_turns(tmp_path: Path) -> None:
    async with running(tmp_path) as database:
        await database.put_response(stored("a", principal="bob"))
        await database.put_response(stored("b", "a"))
        assert [each.id for each in await database.response_history("b", "ann")] == ["b"]


async def test_a_circle_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as database:
        await database.put_response(stored("a", "b"))
        await database.put_response(stored("b", "a"))
        rooms = sys.modules["app.integrations.storage.database.responses"]
        monkeypatch.setattr(rooms, "LONGEST", 10)
        assert len(await database.response_history("b", "ann")) == 11


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        async with running(tmp_path) as database:
            if await database.get_response("a", "ann") is None:
                await database.put_response(stored("a"))
    async with running(tmp_path) as database:
        assert await database.get_response("a", "ann") == stored("a")


async def test_what_is_past_its_time_is_gone_and_then_deleted(tmp_path: Path) -> None:
    clock = VirtualClock(START)
    async with running(tmp_path, clock, retention_days=30) as database:
        await database.put_response(stored("old", created=START - 29 * DAY))
        await database.put_response(stored("new", "old"))
        assert len(await database.response_history("new", "ann")) == 2
        await clock.advance(DAY + 1)
        assert await database.get_response("old", "ann") is None
        assert [each.id for each in await database.response_history("new", "ann")] == ["new"]
        await database.delete_expired()
    assert ids(tmp_path) == {"new"}


async def test_the_upkeep_comes_by_itself(tmp_path: Path) -> None:
    clock = VirtualClock(START)
    async with running(tmp_path, clock, retention_days=1) as database:
        await database.put_response(stored("older", created=START - DAY))
        await database.put_response(stored("old", created=START - DAY + 60))
        await clock.advance(WARM_UP_SECONDS)
        async with asyncio.timeout(5):
            while ids(tmp_path) != {"old"}:  # noqa: ASYNC110 - another thread's work has no event to wait for
                await asyncio.sleep(0.01)
            while ids(tmp_path):
                await clock.advance(SWEEP_SECONDS)
                await asyncio.sleep(0.01)


def ids(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "llm-platform.db")) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM responses")}


async def test_many_writers_at_once(tmp_path: Path) -> None:
    """Two instances stand for two processes: each has connections of its own."""
    async with running(tmp_path, timeout=30) as one, running(tmp_path, timeout=30) as two:
        await asyncio.gather(
            *(database.put_response(stored(f"{n}")) for n, database in enumerate([one, two] * 50))
        )
    assert len(ids(tmp_path)) == 100


async def test_the_file_is_the_users_alone(tmp_path: Path) -> None:
    async with running(tmp_path / "new" / "folder"):
        file = tmp_path / "new" / "folder" / "llm-platform.db"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_where_no_database_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(IntegrationConfigError, match="can't be kept"):
        await DatabaseIntegration(config(tmp_path / "file")).initialize()
    (tmp_path / "llm-platform.db").write_bytes(b"no database" * 100)
    with pytest.raises(IntegrationConfigError, match="no database"):
        await DatabaseIntegration(config(tmp_path)).initialize()


async def test_a_driver_that_is_missing_is_named(tmp_path: Path) -> None:
    database = DatabaseIntegration(config(tmp_path, url="postgresql://127.0.0.1:9/x"))
    with pytest.raises((IntegrationConfigError, IntegrationNotReady)):
        await database.initialize()
    await database.shutdown()


async def test_a_table_that_is_lost_is_our_own_error(tmp_path: Path) -> None:
    async with running(tmp_path) as database:
        await database.put_response(stored("a"))
        with closing(sqlite3.connect(tmp_path / "llm-platform.db")) as connection:
            connection.execute("DROP TABLE responses")
        with pytest.raises(UpstreamError, match="'database' failed"):
            await database.health_check()


async def test_a_database_that_is_frozen_is_given_up(tmp_path: Path) -> None:
    async with running(tmp_path, timeout=0.2) as database:
        await database.health_check()
        with closing(sqlite3.connect(tmp_path / "llm-platform.db", isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            with pytest.raises(UpstreamTimeout):
                await database.put_response(stored("a"))
            connection.execute("ROLLBACK")
        await database.put_response(stored("b"))


async def test_a_database_that_no_longer_opens_is_our_own_error(tmp_path: Path) -> None:
    async with running(tmp_path) as database:
        (tmp_path / "llm-platform.db").write_bytes(b"no database at all" * 100)
        with pytest.raises(UpstreamUnavailable, match="'database' failed"):
            await database.put_response(stored("a"))


async def test_opening_has_a_limit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPENING_SECONDS", 0.1)
    async with running(tmp_path, timeout=0.1) as database:
        with closing(sqlite3.connect(tmp_path / "llm-platform.db", isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            with pytest.raises(UpstreamTimeout, match=r"within 0\.2 s"):
                await database.put_response(stored("a"))
            connection.execute("ROLLBACK")


async def test_a_start_beside_another_takes_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "llm-platform.db"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(module, "sleep", lambda _: other.rollback())
        async with running(tmp_path) as database:
            await database.put_response(stored("a"))


async def test_after_its_end_it_opens_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as database:
        pass
    with pytest.raises(UpstreamError):
        await database.get_response("a", "ann")


def test_sqlalchemy_is_not_loaded_by_a_start(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; import app.main\n"
        "from app.core.integration_framework import IntegrationConfig\n"
        f"from {module.__name__} import DatabaseIntegration\n"
        "async def start():\n"
        f"    settings = {{'data_dir': '{tmp_path}'}}\n"
        "    database = DatabaseIntegration(IntegrationConfig(name='database', settings=settings))\n"
        "    await database.initialize()\n"
        "    assert 'sqlalchemy' not in sys.modules\n"
        "    await database.shutdown()\n"
        "asyncio.run(start())\n"
    )
    backend = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", program], cwd=backend, check=True, timeout=60)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("sqlite:////data/a.db", "sqlite+aiosqlite:////data/a.db"),
        ("sqlite+aiosqlite:///a.db", "sqlite+aiosqlite:///a.db"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
    ],
)
def test_short_addresses(url: str, address: str) -> None:
    assert DatabaseSettings.model_validate({"url": url}).address({}) == address


@pytest.mark.parametrize("url", ["mysql://h/d", "/data/a.db", "secret"])
def test_other_addresses_are_refused_and_not_shown(url: str, tmp_path: Path) -> None:
    with pytest.raises(IntegrationConfigError) as caught:
        DatabaseIntegration(config(tmp_path, url=url))
    assert url not in str(caught.value)


def test_the_default_is_the_users_folder_for_data() -> None:
    settings = DatabaseSettings()
    assert settings.address({"XDG_DATA_HOME": "/data"}) == "sqlite+aiosqlite:////data/llm-platform/llm-platform.db"
    file = sqlite_file(settings.address({"HOME": "/home/ann"}))
    assert file is not None
    assert file.is_relative_to("/home/ann")
    assert sqlite_file("sqlite+aiosqlite:///:memory:") is None
