"""Opening a database. Importing this loads SQLAlchemy, which takes as long as all the rest of a start."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from app.integrations.storage.database.schema import METADATA

BUSY_SECONDS = 5


async def open_engine(address: str) -> AsyncEngine:
    """Connected, its tables there. Raises what SQLAlchemy and the driver raise."""
    engine = create_async_engine(address, pool_pre_ping=not address.startswith("sqlite"))
    if address.startswith("sqlite"):
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    try:
        async with engine.begin() as connection:
            for table in METADATA.sorted_tables:
                await connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    await connection.execute(CreateIndex(index, if_not_exists=True))
    except BaseException:
        await engine.dispose()
        raise
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Readers and one writer side by side (WAL). A write outlives a crash of the process, and but for the last
    moments one of the machine: https://www.sqlite.org/wal.html
    """
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={BUSY_SECONDS * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
