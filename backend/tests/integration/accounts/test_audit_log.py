"""Each deed is recorded once, whoever leaves and whatever fails meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from app.accounts.audit.log import RETRY_SECONDS, AuditLog
from app.accounts.store import Store
from app.testing.clock import VirtualClock
from tests.integration.accounts.rooms import Process, actor
from tests.servers.asking import becomes


class Held(Store):
    """Says `reached`, and waits for `go`, before a transaction or right after its end; `defect` is raised once."""

    def __init__(self, room: Process, where: str = "", defect: Exception | None = None) -> None:
        super().__init__(lambda: [room.database])
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        self._where, self._defect = where, defect

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Any]:
        if self._defect is not None:
            defect, self._defect = self._defect, None
            raise defect
        await self._wait("before")
        async with super().writing() as connection:
            yield connection
        await self._wait("after")

    async def _wait(self, where: str) -> None:
        if where == self._where:
            self.reached.set()
            await self.go.wait()


async def test_who_leaves_while_it_is_written_leaves_one_record(room: Process) -> None:
    for number, where in enumerate(("before", "after")):
        store = Held(room, where)
        log = AuditLog(store, room.clock)
        caller = asyncio.create_task(log.record(actor(), f"act.{number}", "object"))
        await store.reached.wait()
        caller.cancel()
        with suppress(asyncio.CancelledError):
            await caller
        store.go.set()
        await becomes(lambda number=number: _recorded(room, number + 1), 5.0)  # type: ignore[misc]
        await log.stop()
        assert await _recorded(room, number + 1)


async def test_a_defect_is_no_end_of_trying(room: Process) -> None:
    clock = VirtualClock()
    log = AuditLog(Held(room, defect=RuntimeError("injected")), clock)
    await log.record(actor(), "act", "object")
    assert await _recorded(room, 0)
    await clock.advance(RETRY_SECONDS)
    await becomes(lambda: _recorded(room, 1), 5.0)
    await log.stop()


async def _recorded(room: Process, count: int) -> bool:
    return len(await room.rows("audit")) == count
