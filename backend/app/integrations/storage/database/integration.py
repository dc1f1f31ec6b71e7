"""The database as an integration. What it keeps: stored responses (ResponseStore).

A start must not wait for SQLAlchemy to load. So a SQLite file is only tried with the standard library, and the
engine is opened on first use, or a moment after the start; any other database is connected to at once.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

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
    from sqlalchemy.ext.asyncio import AsyncEngine

    from app.integrations.storage.database.responses import ResponseTable

T = TypeVar("T")

WARM_UP_SECONDS = 2.0
OPENING_SECONDS = 10.0
"""What the first question may take besides: SQLAlchemy has to load."""

SWEEP_SECONDS = 3600.0
_DAY = 86_400.0
_ROOM = "app.integrations.storage.database"

logger = logging.getLogger(__name__)


class DatabaseIntegration(BaseIntegration):
    """Satisfies ResponseStore."""

    settings_model = DatabaseSettings
    settings: DatabaseSettings

    def __init__(self, config: IntegrationConfig, clock: Clock | None = None) -> None:
        super().__init__(config)
        self._clock = clock or SystemClock()
        self._address = self.settings.address()
        self._opening = asyncio.Lock()
        self._engine: AsyncEngine | None = None
        self._table: ResponseTable | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._closed = False

    async def initialize(self) -> None:
        file = sqlite_file(self._address)
        if file is not None:
            await asyncio.to_thread(_try_file, file)
        else:
            await self._open()
        self._upkeep = asyncio.create_task(self._keep_up())

    async def health_check(self) -> HealthReport:
        await self._asked(lambda table: table.get("", "", 0.0))
        return HealthReport(details={"database": self._address.partition("+")[0]})

    async def shutdown(self) -> None:
        self._closed = True
        upkeep, self._upkeep = self._upkeep, None
        if upkeep is not None:
            upkeep.cancel()
            with suppress(asyncio.CancelledError):
                await upkeep
        engine, self._engine, self._table = self._engine, None, None
        if engine is not None:
            await engine.dispose()

    async def put_response(self, response: StoredResponse) -> None:
        await self._asked(lambda table: table.put(response))

    async def get_response(self, id: str, principal: str) -> StoredResponse | None:
        return await self._asked(lambda table: table.get(id, principal, self._oldest()))

    async def response_history(self, id: str, principal: str) -> Sequence[StoredResponse]:
        return await self._asked(lambda table: table.history(id, principal, self._oldest()))

    async def delete_response(self, id: str, principal: str) -> bool:
        return await self._asked(lambda table: table.delete(id, principal))

    async def delete_expired(self) -> int:
        """How many responses were past their time; the upkeep calls it every hour."""
        return await self._asked(lambda table: table.delete_before(self._oldest()))

    def _oldest(self) -> float:
        return self._clock.now() - self.settings.retention_days * _DAY

    async def _asked(self, question: "Callable[[ResponseTable], Awaitable[T]]") -> T:
        """Whatever goes wrong is UpstreamUnavailable or UpstreamTimeout."""
        limit = self.settings.timeout + (OPENING_SECONDS if self._table is None else 0)
        try:
            async with asyncio.timeout(limit):
                return await question(self._table or await self._open())
        except PlatformError:
            raise
        except TimeoutError:
            message = f"'{self.name}' gave no answer within {limit:g} s."
            raise UpstreamTimeout(message, provider=self.name) from None
        except Exception as error:
            logger.warning("%s: %s", self.name, type(error).__name__, exc_info=error)
            raise UpstreamUnavailable(f"'{self.name}' failed.", provider=self.name) from error

    async def _open(self) -> "ResponseTable":
        """Raises IntegrationConfigError without the driver, IntegrationNotReady without the database."""
        async with self._opening:
            if self._table is not None:
                return self._table
            if self._closed:
                raise UpstreamUnavailable(f"'{self.name}' is stopped.", provider=self.name)
            rooms = await asyncio.to_thread(_load)
            try:
                self._engine = await rooms[0].open_engine(self._address)
            except ModuleNotFoundError as error:
                raise IntegrationConfigError(
                    f"settings.url: the driver is missing: pip install {error.name}"
                ) from None
            except Exception as error:
                raise IntegrationNotReady(f"the database does not open: {type(error).__name__}") from error
            table: ResponseTable = rooms[1].ResponseTable(self._engine)
            self._table = table
            return table

    async def _keep_up(self) -> None:
        """Open what is not open yet, then drop what has expired, every hour."""
        await self._clock.sleep(WARM_UP_SECONDS)
        while True:
            try:
                await self.delete_expired()
            except Exception as error:
                logger.warning("%s: expired responses stay for now: %s", self.name, error)
            await self._clock.sleep(SWEEP_SECONDS)


def _load() -> tuple[Any, Any]:
    return import_module(f"{_ROOM}.engine"), import_module(f"{_ROOM}.responses")


def _try_file(file: Path) -> None:
    """Raises IntegrationConfigError where there can be no database, IntegrationNotReady where it can't be read."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=1)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        file.chmod(0o600)
    except OSError as error:
        raise IntegrationConfigError(f"the database can't be kept in {file.parent}: {error.strerror}") from None
    except sqlite3.OperationalError as error:
        raise IntegrationNotReady(f"the database file {file} does not open: {error}") from None
    except sqlite3.DatabaseError as error:
        raise IntegrationConfigError(f"{file} is no database: {error}") from None
