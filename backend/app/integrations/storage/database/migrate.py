"""Brings a database's schema up to date, whoever starts first. Importing this loads SQLAlchemy, but not Alembic:
that is needed only where there is something to change.

The steps are in migrations/versions, one file each, named in order; they only go forward. A new one raises HEAD.
"""

import logging

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

HEAD = "0006"
"""The last step that this version knows; a test holds it."""

_LOCK = 0x6C6C6D706C61
"""Of PostgreSQL's advisory locks, the one that is ours while the schema changes."""

logger = logging.getLogger(__name__)


class SchemaTooNew(Exception):
    """A newer version of the platform has changed the database in ways that this one does not know."""


async def bring_up_to_date(engine: AsyncEngine) -> None:
    """All or nothing. Of several processes that start at once one does it and the others wait.

    On SQLite the engine's transactions must be exclusive. Raises SchemaTooNew.
    """
    async with engine.execution_options(begin="BEGIN").connect() as connection:
        if await connection.run_sync(_revision) == HEAD:
            return
    async with engine.begin() as connection:
        await _lock(connection)
        before = await connection.run_sync(_revision)
        if before != HEAD:
            await connection.run_sync(_upgrade)
            logger.info("the database's schema is brought from %s to %s", before or "nothing", HEAD)


async def _lock(connection: AsyncConnection) -> None:
    """Until the transaction ends; SQLite has locked the file with its beginning."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _revision(connection: Connection) -> str | None:
    """The step that the schema is at; None before the first."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _upgrade(connection: Connection) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # before it is loaded, of which it tells too
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", f"{__package__}:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise SchemaTooNew(str(error)) from error
