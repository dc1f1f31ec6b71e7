"""Writing and reading the audit log.

A deed that is a change of the database is recorded in the same transaction, by whoever does it. Any other one is
done first and then recorded; while the database does not answer, its record waits here, for nobody should be kept
from mending a platform by that. The log of the process has a line of each deed, whatever happens.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec

from app.accounts.audit.schemas import Act, Actor, AuditFilter, AuditPage, Record, act_of
from app.accounts.store import Store
from app.core.clock import Clock
from app.domain.errors import PlatformError

MOST_WAITING = 1000
RETRY_SECONDS = 5.0

logger = logging.getLogger(__name__)


class AuditLog:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: deque[Act] = deque(maxlen=MOST_WAITING)
        self._writing: set[asyncio.Task[None]] = set()
        self._retrying: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def record(
        self, actor: Actor, action: str, object: str, *, before: Any = None, after: Any = None
    ) -> None:
        """Of what has been done already: also when the caller leaves meanwhile, it is written, and once."""
        act = act_of(actor, action, object, self._clock.now(), before, after)
        logger.info("%s: %s %s (request %s)", act.actor, action, act.object, act.request_id)
        self._waiting.append(act)
        writing = asyncio.create_task(self._begin())
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        await asyncio.shield(writing)

    async def page(self, wanted: AuditFilter) -> AuditPage:
        """The newest first. Raises Unavailable."""
        found = await self._read(wanted, newest_first=True)
        return AuditPage(found[: wanted.limit], has_more=len(found) > wanted.limit)

    async def all(self, wanted: AuditFilter) -> AsyncIterator[list[Record]]:
        """All that fit, the oldest first, by pages of `limit`. Raises Unavailable, also in the middle."""
        while True:
            found = await self._read(wanted, newest_first=False)
            page = found[: wanted.limit]
            if page:
                yield page
            if len(found) <= wanted.limit:
                return
            wanted = msgspec.structs.replace(wanted, after=page[-1].id)

    async def stop(self) -> None:
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.gather(self._retrying, return_exceptions=True)
        with suppress(PlatformError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._write()
        for writing in (left := list(self._writing)):
            writing.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for act in self._waiting:
            logger.error("never in the audit log: %s", msgspec.json.encode(act).decode())

    async def _begin(self) -> None:
        try:
            await self._write()
            return
        except PlatformError as error:
            logger.warning("what was done is not in the audit log yet: %s", error)
        except Exception:
            logger.exception("defect while the audit log was written")
        if self._retrying is None:
            self._retrying = asyncio.create_task(self._retry())

    async def _retry(self) -> None:
        while self._waiting:
            await self._clock.sleep(RETRY_SECONDS)
            try:
                await self._write()
            except PlatformError:
                pass  # it was told
            except Exception:
                logger.exception("defect while the audit log was written")
        self._retrying = None

    async def _write(self) -> None:
        """All that waits. Of an overlong line the first ones may have fallen out meanwhile."""
        async with self._turn:
            acts = list(self._waiting)
            if not acts:
                return
            async with self._store.writing() as connection:
                from app.accounts.audit import repository as rows

                await rows.append(connection, acts)
            for act in acts:
                if self._waiting and self._waiting[0] is act:
                    self._waiting.popleft()

    async def _read(self, wanted: AuditFilter, *, newest_first: bool) -> list[Record]:
        async with self._store.reading() as connection:
            from app.accounts.audit import repository as rows

            return await rows.page(connection, wanted, newest_first=newest_first)
