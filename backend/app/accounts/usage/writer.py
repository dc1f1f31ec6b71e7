"""From the spool into the database, in batches. One for each process; many work side by side.

A file is deleted once all of it is in the database. Whoever dies before that leaves it to be written again, which
adds nothing: every entry has an id of its own.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from app.accounts.usage.schemas import Entry, entries, line
from app.accounts.usage.spool import Segment, Spool
from app.domain.errors import PlatformError, UpstreamTimeout

BATCH = 2000
SEGMENT_BYTES = 4 * 2**20
"""While the database takes nothing, a file grows to this size before the next one is begun."""

ORPHAN_TURNS = 10
"""Every so many turns it is looked for files of processes that died."""

REJECTED = "rejected.jsonl"

logger = logging.getLogger(__name__)


class Writer:
    """`write` puts entries into the database, all or none, and raises PlatformError. `refused` tells of its error
    whether the database won't have them at all. `written` hears of entries of this process that are done with.
    """

    def __init__(
        self,
        spool: Spool,
        write: Callable[[Sequence[Entry]], Awaitable[None]],
        refused: Callable[[BaseException], bool],
        written: Callable[[Sequence[Entry]], None],
    ) -> None:
        self.failing = False
        self._spool = spool
        self._write = write
        self._refused = refused
        self._written = written
        self._segments: list[Segment] = []
        self._turns = 0
        self._batch = BATCH

    @property
    def idle(self) -> bool:
        """Whether nothing waits here, as far as this process knows."""
        return not self._segments and not self._spool.size

    def look_for_orphans(self) -> bool:
        """Whether there were any."""
        found: list[Segment] = []
        with suppress(OSError):  # another time
            found.extend(self._spool.left_behind())
        if found:
            logger.info("usage of processes that are no more is taken over: %d files", len(found))
        self._segments.extend(found)
        return bool(found)

    async def turn(self) -> bool:
        """Write what waits. Whether the database took all of it."""
        self._spool.measure()
        if self._turns % ORPHAN_TURNS == 0:
            self.look_for_orphans()
        self._turns += 1
        ready = not self.failing
        if (ready or self._spool.size > SEGMENT_BYTES) and (sealed := self._spool.seal(keep=ready)) is not None:
            self._segments.append(sealed)
        try:
            await self._write_held()
            whole = await self._write_segments()
        except PlatformError as error:
            if isinstance(error.__cause__ or error, UpstreamTimeout):
                self._batch = max(1, self._batch // 2)  # it may have been too much
            if not self.failing:
                logger.warning("usage waits on disk, as the database does not take it: %s", error)
            self.failing = True
            return False
        if not self.failing:
            return whole
        logger.info("usage is written to the database again")
        self.failing = False
        return await self.turn()  # there was a file that was still added to

    def let_go(self) -> None:
        """What is left is for others, or for the next start."""
        for segment in self._segments:
            segment.let_go()
        self._segments.clear()
        if (sealed := self._spool.seal(keep=False)) is not None:
            sealed.let_go()

    async def _write_segments(self) -> bool:
        """Whether all of them could be read. One that can't be is let go, and found again with the orphans."""
        whole = True
        while self._segments:
            segment = self._segments[0]
            try:
                await self._write_segment(segment)
                segment.delete()
            except OSError as error:
                whole = False
                logger.error("usage waits in %s, which can't be read: %s", segment.path, error.strerror)
                segment.let_go()
            del self._segments[0]
        return whole

    async def _write_segment(self, segment: Segment) -> None:
        while batch := self._next(segment):
            await self._write_batch(batch)
            del segment.kept[: len(batch)]
            if segment.own:
                self._written(batch)

    def _next(self, segment: Segment) -> list[Entry]:
        """Only what memory does not have is read."""
        while not segment.kept and (lines := segment.lines(self._batch)):
            segment.kept, unreadable = entries(lines)
            for each in unreadable:
                if each.endswith(b"\n"):
                    self._spool.put_aside(REJECTED, each, "nobody can read")
                else:
                    logger.warning("%s: a torn line is passed over", segment.path.name)
        return segment.kept[: self._batch]

    async def _write_held(self) -> None:
        """What no disk takes goes right from memory."""
        while batch := self._spool.held(self._batch):
            try:
                await self._write_batch(batch)
            except BaseException:
                self._spool.hold_again(batch)
                raise
            self._written(batch)

    async def _write_batch(self, found: Sequence[Entry]) -> None:
        await self._write_all(found)
        self._batch = min(BATCH, self._batch + 1 + self._batch // 8)

    async def _write_all(self, found: Sequence[Entry]) -> None:
        """A row that the database refuses must not keep the others out: it is put aside for people to look at."""
        if not found:
            return
        try:
            await self._write(found)
        except PlatformError as error:
            if not self._refused(error):
                raise
            if len(found) == 1:
                self._spool.put_aside(REJECTED, line(found[0]), "the database refuses")
                return
            half = len(found) // 2
            await self._write_all(found[:half])
            await self._write_all(found[half:])
