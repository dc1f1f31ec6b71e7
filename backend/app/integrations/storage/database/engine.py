"""Opening a database. Importing this loads SQLAlchemy, which takes as long as all the rest of a start."""

import asyncio
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.integrations.storage.database.migrate import bring_up_to_date

FAILURES = (SQLAlchemyError, OSError)
"""What a statement raises for the database's sake."""

BEGIN = "begin"
"""Execution option: the statement that begins a transaction on SQLite."""


async def open_engine(address: str, seconds: float) -> AsyncEngine:
    """Connected, its tables up to date. `seconds`: what connecting, or one statement, may take; a change of the
    schema takes what it needs.

    Raises what SQLAlchemy and the driver raise, and SchemaTooNew.
    """
    if address.startswith("sqlite"):
        engine = migrating = _sqlite(address, seconds)
    else:
        # The second is for what the driver does behind a statement that was given up, such as to call it off.
        engine = _other(address, {"timeout": seconds, "command_timeout": 2 * seconds})
        migrating = _other(address, {"timeout": seconds})
    try:
        await bring_up_to_date(migrating.execution_options(**{BEGIN: "BEGIN EXCLUSIVE"}))
    except BaseException:
        await close_engine(migrating, seconds)
        raise
    if migrating is not engine:
        await close_engine(migrating, seconds)
    return engine


class _SQLite(sqlite3.Connection):
    """Closing it ends its transaction. Else no other connection could write while a statement lives that somebody
    who was cancelled left behind: https://www.sqlite.org/c3ref/close.html
    """

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


def _sqlite(address: str, seconds: float) -> AsyncEngine:
    engine = create_async_engine(address, hide_parameters=True, connect_args={"factory": _SQLite})
    event.listen(engine.sync_engine, "connect", partial(_prepare_sqlite, busy_seconds=2 * seconds))
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _other(address: str, limits: Mapping[str, float]) -> AsyncEngine:
    """`limits`: as asyncpg names them; other drivers keep to their own."""
    arguments = dict(limits) if "+asyncpg" in address else {}
    engine = create_async_engine(address, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
    if arguments:
        event.listen(engine.sync_engine, "invalidate", _terminate)
    return engine


def writer(engine: AsyncEngine) -> AsyncEngine:
    """The same, for transactions that write: on SQLite they take their turn at the start. One that first reads and
    then writes would fail there when another wrote in between.
    """
    return engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})


async def close_engine(engine: AsyncEngine, seconds: float) -> None:
    """Connections that are not closed in good order within `seconds` are cut: a frozen server takes no goodbye."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                await engine.dispose()
            return
        except TimeoutError:
            seconds = 0.0  # each turn cuts one


def _prepare_sqlite(connection: Any, _: object, *, busy_seconds: float) -> None:
    """Readers and one writer side by side (WAL). A write outlives a crash of the process, and but for the last
    moments one of the machine: https://www.sqlite.org/wal.html

    `busy_seconds`: how long the driver's thread waits for another writer. Whoever asked has given up by then, and
    is not let go before the thread is.
    """
    connection.isolation_level = None  # the driver would begin transactions when it thinks best
    cursor = connection.cursor()
    pragmas = (
        f"busy_timeout={busy_seconds * 1000:.0f}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    )
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))


def _terminate(connection: Any, *_: object) -> None:
    """Say no goodbye on a connection that was given up: a frozen server would keep the caller waiting for it."""
    connection.driver_connection.terminate()
