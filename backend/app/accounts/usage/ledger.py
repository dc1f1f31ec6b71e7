"""The ledger of one process: every call is on disk before its caller knows its end, and soon after that in the
database. What can't be done now is done later: no call ever waits for it, and none fails for it.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import count
from pathlib import Path
from types import ModuleType

import msgspec

from app.accounts.store import Store
from app.accounts.usage.report import Report, UsageQuery, Waiting, report
from app.accounts.usage.schemas import Entry
from app.accounts.usage.spending import Rows, SpendingFigures
from app.accounts.usage.spool import Spool
from app.accounts.usage.sums import DAY, HOUR
from app.accounts.usage.writer import Writer
from app.core.batched_writes import before_writes
from app.core.clock import Clock, SystemClock
from app.domain.errors import PlatformError

FIRST_WRITE_SECONDS = 3.0
"""After a start, which is busy enough. What others left behind is not kept waiting."""

WRITE_SECONDS = 1.0
RETRY_SECONDS = 2.0
TIDY_SECONDS = 3600.0
STOP_SECONDS = 5.0
REPORT_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Keeping(msgspec.Struct, frozen=True):
    """How long calls are kept, how long their sums, in days; and how many bytes may wait on disk."""

    retention_days: float = 90.0
    summary_days: float = 800.0
    spool_bytes: int = 2**30


class Ledger:
    """`folder`: where usage waits; processes on one machine may share it."""

    def __init__(
        self, store: Store, folder: Path, keeping: Callable[[], Keeping] = Keeping, clock: Clock | None = None
    ) -> None:
        self._store = store
        self._keeping = keeping
        self._clock = clock or SystemClock()
        self._prefix = secrets.token_hex(8)
        self._numbers = count(1)
        self._spool = Spool(folder, keeping().spool_bytes)
        self._fresh: list[Entry] = []
        self.spending = SpendingFigures(self._spent, self._clock)
        self._writer = Writer(self._spool, self._write, self._refused, self.spending.written)
        self._turn = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._rows: ModuleType | None = None

    def next_id(self) -> str:
        return f"{self._prefix}{next(self._numbers):08x}"

    def record(self, entry: Entry) -> None:
        """It is on disk before this turn of the loop writes to anybody."""
        if not self._fresh:
            before_writes(self._put_down)
        self._fresh.append(entry)
        self.spending.add(entry)

    def _put_down(self) -> None:
        fresh, self._fresh = self._fresh, []
        self._spool.add(fresh)

    def start(self) -> None:
        works = (self.spending.keep_up(), self._keep_writing(), self._keep_tidy())
        self._tasks = [asyncio.create_task(each) for each in works]

    async def stop(self) -> None:
        """Writes what waits, as far as a few seconds go. Calls may still be recorded, until `close`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self.flush()

    def close(self) -> None:
        self._put_down()
        self._writer.let_go()

    async def flush(self) -> bool:
        """Write what waits here. Whether all of it is in the database."""
        async with self._turn:
            self._put_down()
            self._spool.most_bytes = self._keeping().spool_bytes
            return await self._writer.turn()

    async def report(self, query: UsageQuery) -> Report:
        """What waits here is written first, so that whoever asks finds his own last call. Raises Unavailable."""
        complete = False
        with suppress(OSError, PlatformError):
            async with asyncio.timeout(REPORT_SECONDS):
                complete = await self.flush()
        rows = await self._repository()
        async with self._store.reading() as connection:
            found = await rows.report(connection, query)
        return report(query, [tuple(row) for row in found], complete=complete, waiting=self.waiting())

    def waiting(self) -> Waiting:
        return Waiting(self._spool.measure(), self._writer.failing, self._spool.lost)

    async def _keep_writing(self) -> None:
        if not self._writer.look_for_orphans():
            await self._clock.sleep(FIRST_WRITE_SECONDS)
        while True:
            taken = await self._try_to_flush()
            await self._clock.sleep(WRITE_SECONDS if taken else RETRY_SECONDS)

    async def _try_to_flush(self) -> bool:
        try:
            return await self.flush()
        except Exception:
            logger.exception("defect in the ledger; usage waits on disk")
            return False

    async def _keep_tidy(self) -> None:
        while True:
            await self._clock.sleep(TIDY_SECONDS)
            try:
                await self.tidy()
            except PlatformError as error:
                logger.warning("old usage stays for now: %s", error)
            except Exception:
                logger.exception("defect in the ledger; old usage stays for now")

    async def tidy(self) -> None:
        """Drop what is past its time."""
        keeping, now, rows = self._keeping(), self._clock.now(), await self._repository()
        while True:
            async with self._store.writing() as connection:
                if not await rows.drop_before(connection, now - keeping.retention_days * DAY):
                    break
        async with self._store.writing() as connection:
            await rows.drop_hours_before(connection, int((now - keeping.summary_days * DAY) // HOUR))

    async def _write(self, entries: Sequence[Entry]) -> None:
        rows = await self._repository()
        while entries:
            try:
                async with self._store.writing() as connection:
                    return await rows.add(connection, entries)  # type: ignore[no-any-return]
            except rows.Known:
                async with self._store.reading() as connection:
                    entries = await rows.missing(connection, entries)

    def _refused(self, error: BaseException) -> bool:
        refused: bool = self._rows is not None and self._rows.refused(error)
        return refused

    async def _spent(self, first: int, last: int | None, month: int) -> Rows:
        rows = await self._repository()
        async with self._store.reading() as connection:
            found: Rows = await rows.spent(connection, first, last, month)
        return found

    async def _repository(self) -> ModuleType:
        """It needs SQLAlchemy, which takes its time to load."""
        if self._rows is None:
            self._rows = await asyncio.to_thread(import_module, "app.accounts.usage.repository")
        return self._rows
