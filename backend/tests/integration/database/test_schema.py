"""The schema of a real database: where it comes from, whoever starts first, and what it must be like."""

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, inspect, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.accounts.tables import METADATA as ACCOUNTS
from app.core.integration_framework import IntegrationConfig, IntegrationConfigError
from app.domain.errors import PlatformError
from app.domain.ports import SqlDatabase
from app.domain.responses import StoredResponse
from app.integrations.storage.database.integration import DatabaseIntegration
from app.integrations.storage.database.migrate import HEAD
from app.integrations.storage.database.schema import METADATA

Settings = dict[str, Any]
KEPT = StoredResponse(id="kept", principal="ann", previous_id=None, created=2e9, items=b"[]", body=b"{}")

BEFORE_THE_FIRST_STEP = (
    "CREATE TABLE responses (id VARCHAR(128) NOT NULL, principal VARCHAR(255) NOT NULL, previous_id VARCHAR(128), "
    "created {double} NOT NULL, items {bytes} NOT NULL, body {bytes} NOT NULL, "
    "CONSTRAINT pk_responses PRIMARY KEY (id, principal))",
    "CREATE INDEX ix_responses_created ON responses (created)",
    "INSERT INTO responses VALUES ('kept', 'ann', NULL, 2e9, CAST('[]' AS {bytes}), CAST('{{}}' AS {bytes}))",
)


@asynccontextmanager
async def opened(settings: Mapping[str, Any]) -> AsyncIterator[DatabaseIntegration]:
    database = DatabaseIntegration(IntegrationConfig(name="database", settings=dict(settings)))
    try:
        await database.initialize()
        await database.health_check()
        yield database
    finally:
        await database.shutdown()


async def run(database: SqlDatabase, *statements: str) -> None:
    async with database.writing() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def revision(database: SqlDatabase) -> str:
    async with database.reading() as connection:
        found: str = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
    return found


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """Past the integration, and so without its tables."""
    database = DatabaseIntegration(IntegrationConfig(name="database", settings=settings))
    engine = create_async_engine(database.settings.address())
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, [METADATA, ACCOUNTS]))


async def test_the_steps_lead_to_the_tables_that_the_code_uses(database_settings: Settings) -> None:
    async with opened(database_settings) as database, database.reading() as connection:
        assert await connection.run_sync(differences) == []


def test_the_last_step_is_the_one_that_the_code_knows() -> None:
    config = Config()
    config.set_main_option("script_location", "app.integrations.storage.database:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


async def test_a_database_from_before_there_were_steps_keeps_what_it_has(database_settings: Settings) -> None:
    names = ("BYTEA", "DOUBLE PRECISION") if "url" in database_settings else ("BLOB", "DOUBLE")
    async with connected(database_settings) as connection:
        for statement in BEFORE_THE_FIRST_STEP:
            await connection.execute(text(statement.format(bytes=names[0], double=names[1])))
    async with opened(database_settings) as database:
        assert await database.get_response("kept", "ann") == KEPT
        assert await revision(database) == HEAD
        async with database.reading() as connection:
            assert await connection.run_sync(differences) == []


async def test_many_that_start_at_once_make_it_once(database_settings: Settings) -> None:
    async def start() -> str:
        async with opened({**database_settings, "timeout": 30}) as database:
            return await revision(database)

    assert await asyncio.gather(*(start() for _ in range(8))) == [HEAD] * 8


async def test_a_step_that_fails_changes_nothing(
    database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.integrations.storage.database import migrate

    upgrade = migrate._upgrade

    def broken(connection: Connection) -> None:
        upgrade(connection)
        raise RuntimeError("the last step fails")

    monkeypatch.setattr(migrate, "_upgrade", broken)
    with pytest.raises(Exception, match="database"):
        async with opened(database_settings):
            pass
    async with connected(database_settings) as connection:
        assert await connection.run_sync(lambda each: inspect(each).get_table_names()) == []
    monkeypatch.undo()
    async with opened(database_settings) as database:
        assert await revision(database) == HEAD


async def test_a_newer_schema_is_not_touched(
    database_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(database_settings) as database:
        await run(database, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises((IntegrationConfigError, PlatformError)) as caught:
        async with opened(database_settings):
            pass
    assert "newer version" in str(caught.value) + caplog.text


async def test_what_is_written_is_whole_or_not_at_all(database_settings: Settings) -> None:
    async with opened(database_settings) as database:
        with pytest.raises(PlatformError):
            await run(database, "DELETE FROM alembic_version", "DELETE FROM nothing_of_that_name")
        assert await revision(database) == HEAD


@pytest.mark.parametrize("turns", [10, 100])
async def test_a_write_that_is_called_off_lets_others_write(
    database_settings: Settings, turns: int, request: pytest.FixtureRequest
) -> None:
    gc.disable()  # it would free what holds them up, some day
    request.addfinalizer(gc.enable)
    insert = text("INSERT INTO claims VALUES (:key, '', 0)")

    async def write() -> None:
        async with database.writing() as connection:
            await connection.execute(insert, [{"key": f"{number}"} for number in range(20_000)])

    async with opened({**database_settings, "timeout": 1}) as other, opened(database_settings) as database:
        task = asyncio.create_task(write())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        async with other.writing() as connection:
            assert (await connection.execute(text("DELETE FROM claims"))).rowcount == 0


async def test_writers_that_first_read_do_not_get_in_each_others_way(database_settings: Settings) -> None:
    async with opened({**database_settings, "timeout": 30}) as database:
        await run(database, "CREATE TABLE counters (n INTEGER)", "INSERT INTO counters VALUES (0)")

        n = table("counters", column("n")).c.n

        async def increase() -> None:
            async with database.writing() as connection:
                found = (await connection.execute(select(n).with_for_update())).scalar_one()
                await connection.execute(text("UPDATE counters SET n = :n"), {"n": found + 1})

        await asyncio.gather(*(increase() for _ in range(20)))
        async with database.reading() as connection:
            assert (await connection.execute(text("SELECT n FROM counters"))).scalar_one() == 20
