"""The database as an integration: whoever keeps things in it by SQL (SqlDatabase), and stored responses.

A start must not wait for SQLAlchemy to load. So a SQLite file is only tried with the standard library, and the
engine is opened on first use, or a moment after the start; any other database is connected to at once.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NamedTuple

from app.core.clock import Clock, SystemClock
from app.core.integration_framework import (
    BaseIntegration,
    HealthReport,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationNotReady,
)
from app.domain.errors import PlatformError, UpstreamTimeout, UpstreamUnavailable
from app.domain.responses import StoredResponse
from app.integrations.storage.database.settings import DatabaseSettings, sqlite_file

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

WARM_UP_SECONDS = 2.0
OPENING_SECONDS = 10.0
"""What the first question may take besides: SQLAlchemy has to load."""

SWEEP_SECONDS = 3600.0
_DAY = 86_400.0
_BUSY_SECONDS = 0.005
_ROOM = "app.integrations.storage.database"

logger = logging.getLogger(__name__)


class _Open(NamedTuple):
    """The database once it is open, and the modules that need SQLAlchemy."""

    reader: "AsyncEngine"
    writer: "AsyncEngine"
    engines: Any
    responses: Any
    claims: Any


class DatabaseIntegration(BaseIntegration):
    """Satisfies SqlDatabase, ResponseStore and ClaimStore."""

    settings_model = DatabaseSettings
    settings: DatabaseSettings
    busy = False

    def __init__(self, config: IntegrationConfig, clock: Clock | None = None) -> None:
        super().__init__(config)
        self._clock = clock or SystemClock()
        self._address = self.settings.address()
        self._opening = asyncio.Lock()
        self._open: _Open | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._closed = False
        self._failing = False

    async def initialize(self) -> None:
        file = sqlite_file(self._address)
        if file is not None:
            await asyncio.to_thread(_try_file, file, self.settings.timeout)
        else:
            await self._opened()
        self._upkeep = asyncio.create_task(self._keep_up())

    async def health_check(self) -> HealthReport:
        async with self._transaction(writes=False) as (connection, opened):
            await opened.responses.get(connection, "", "", 0.0)
        return HealthReport(details={"database": self._address.partition("+")[0]})

    async def shutdown(self) -> None:
        self._closed = True
        upkeep, self._upkeep = self._upkeep, None
        if upkeep is not None:
            upkeep.cancel()
            with suppress(asyncio.CancelledError):
                await upkeep
        opened, self._open = self._open, None
        if opened is not None:
            await opened.engines.close_engine(opened.reader, self.settings.timeout)

    def reading(self) -> AbstractAsyncContextManager[Any]:
        return self._connection(writes=False)

    def writing(self) -> AbstractAsyncContextManager[Any]:
        return self._connection(writes=True)

    async def put_response(self, response: StoredResponse) -> None:
        async with self._transaction(writes=True) as (connection, opened):
            await opened.responses.put(connection, response)

    async def get_response(self, id: str, principal: str) -> StoredResponse | None:
        async with self._transaction(writes=False) as (connection, opened):
            found: StoredResponse | None = await opened.responses.get(connection, id, principal, self._oldest())
        return found

    async def response_history(self, id: str, principal: str) -> Sequence[StoredResponse]:
        async with self._transaction(writes=False) as (connection, opened):
            found: Sequence[StoredResponse] = await opened.responses.history(
                connection, id, principal, self._oldest()
            )
        return found

    async def delete_response(self, id: str, principal: str) -> bool:
        async with self._transaction(writes=True) as (connection, opened):
            deleted: bool = await opened.responses.remove(connection, id, principal)
        return deleted

    async def claim(self, key: str, mark: bytes, seconds: float) -> bytes | None:
        now = self._clock.now()
        async with self._transaction(writes=True) as (connection, opened):
            found: bytes | None = await opened.claims.claim(connection, key, mark, now + seconds, now)
        return found

    async def exchange(self, key: str, mark: bytes, value: bytes | None, seconds: float = 0.0) -> bool:
        until = self._clock.now() + seconds
        async with self._transaction(writes=True) as (connection, opened):
            done: bool = await opened.claims.exchange(connection, key, mark, value, until)
        return done

    async def delete_expired(self) -> int:
        """How many responses, and claims, were past their time; the upkeep calls it every hour."""
        async with self._transaction(writes=True) as (connection, opened):
            count: int = await opened.responses.remove_before(connection, self._oldest())
        while True:
            async with self._transaction(writes=True) as (connection, opened):
                some: int = await opened.claims.remove_some_before(connection, self._clock.now())
                most: int = opened.claims.AT_ONCE
            count += some
            if some < most:
                return count

    def _oldest(self) -> float:
        return self._clock.now() - self.settings.retention_days * _DAY

    @asynccontextmanager
    async def _connection(self, *, writes: bool) -> "AsyncIterator[AsyncConnection]":
        async with self._transaction(writes=writes) as (connection, _):
            yield connection

    @asynccontextmanager
    async def _transaction(self, *, writes: bool) -> "AsyncIterator[tuple[AsyncConnection, _Open]]":
        """What the database fails in is UpstreamUnavailable or UpstreamTimeout; the log hears of it once, till it
        mends. What else the block raises is its own.
        """
        limit = self.settings.timeout + (OPENING_SECONDS if self._open is None else 0)
        own: tuple[type[Exception], ...] = (Exception,)
        try:
            async with asyncio.timeout(limit):
                opened = self._open or await self._opened()
                async with (opened.writer if writes else opened.reader).begin() as connection:
                    own = opened.engines.FAILURES
                    yield connection, opened
        except PlatformError:
            raise
        except TimeoutError as error:
            self._note(error)
            message = f"'{self.name}' gave no answer within {limit:g} s."
            raise UpstreamTimeout(message, provider=self.name) from None
        except Exception as error:
            if not isinstance(error, own):
                raise
            self._note(error)
            raise UpstreamUnavailable(f"'{self.name}' failed.", provider=self.name) from error
        self._note(None)

    def _note(self, error: Exception | None) -> None:
        if error is not None and not self._failing:
            logger.warning("%s: %s", self.name, type(error).__name__, exc_info=error)
        elif error is None and self._failing:
            logger.info("%s answers again", self.name)
        self._failing = error is not None

    async def _opened(self) -> _Open:
        """Raises IntegrationConfigError where a person must act, IntegrationNotReady without the database."""
        async with self._opening:
            if self._open is not None:
                return self._open
            if self._closed:
                raise UpstreamUnavailable(f"'{self.name}' is stopped.", provider=self.name)
            engines, migrate, responses, claims = await asyncio.to_thread(_load)
            try:
                reader = await engines.open_engine(self._address, self.settings.timeout)
            except ModuleNotFoundError as error:
                raise IntegrationConfigError(
                    f"settings.url: the driver is missing: pip install {error.name}"
                ) from None
            except migrate.SchemaTooNew:
                raise IntegrationConfigError(
                    "the database belongs to a newer version of the platform: install that one"
                ) from None
            except Exception as error:
                raise IntegrationNotReady(f"the database does not open: {type(error).__name__}") from error
            self._open = _Open(reader, engines.writer(reader), engines, responses, claims)
            return self._open

    async def _keep_up(self) -> None:
        """Open what is not open yet, then drop what has expired, every hour."""
        await self._clock.sleep(WARM_UP_SECONDS)
        while True:
            try:
                await self.delete_expired()
            except Exception as error:
                logger.warning("%s: what has expired stays for now: %s", self.name, error)
            await self._clock.sleep(SWEEP_SECONDS)


def _load() -> list[Any]:
    return [import_module(f"{_ROOM}.{name}") for name in ("engine", "migrate", "responses", "claims")]


def _turn_on_wal(connection: sqlite3.Connection, seconds: float) -> None:
    """Ask again while others turn it on: of those who read, SQLite lets one wait to write, and fails the rest.
    The last byte of a code is what it is about: https://www.sqlite.org/rescode.html
    """
    until = monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
        sleep(_BUSY_SECONDS)


def _try_file(file: Path, seconds: float) -> None:
    """Raises IntegrationConfigError where there can be no database, IntegrationNotReady where it can't be read
    within `seconds`.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=seconds)) as connection:
            _turn_on_wal(connection, seconds)
        file.chmod(0o600)
    except OSError as error:
        raise IntegrationConfigError(f"the database can't be kept in {file.parent}: {error.strerror}") from None
    except sqlite3.OperationalError as error:
        raise IntegrationNotReady(f"the database file {file} does not open: {error}") from None
    except sqlite3.DatabaseError as error:
        raise IntegrationConfigError(f"{file} is no database: {error}") from None
