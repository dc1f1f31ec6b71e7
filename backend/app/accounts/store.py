"""The database, as whoever keeps something here asks for it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from app.domain.errors import Unavailable, UpstreamError
from app.domain.ports import SqlDatabase

RETRY_SECONDS = 2.0


class Store:
    """`found` gives the databases that serve now; the first is used.

    Both give SQLAlchemy's AsyncConnection within a transaction, as SqlDatabase does. Raises Unavailable.
    """

    def __init__(self, found: Callable[[], Sequence[SqlDatabase]]) -> None:
        self._found = found

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Any]:
        try:
            async with self._database().reading() as connection:
                yield connection
        except UpstreamError as error:
            raise unavailable() from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Any]:
        """Committed at the end of the block, undone when it raises."""
        try:
            async with self._database().writing() as connection:
                yield connection
        except UpstreamError as error:
            raise unavailable() from error

    def _database(self) -> SqlDatabase:
        for database in self._found():
            return database
        raise unavailable()


def unavailable() -> Unavailable:
    return Unavailable(
        "The platform's database does not answer now, and this needs it. GET /integrations/status tells more.",
        code="database_unavailable",
        retry_after=RETRY_SECONDS,
    )
