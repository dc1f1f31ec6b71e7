"""Where usage waits on its way into the database: files of lines in one folder, which all processes share.

A line is handed to the operating system before its call's end can reach the caller, so the death of the process
loses nothing; only the death of the machine may lose its last moments. A file belongs to the process that has it
locked. One that is not locked was left by a process that died, and whoever comes first takes it over.
"""

import fcntl
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from app.accounts.usage.schemas import Entry, line

logger = logging.getLogger(__name__)

SUFFIX = ".usage"
MOST_IN_MEMORY = 10_000
"""Entries that are held here while the disk takes none, and of those that it took: they need not be read again."""

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Segment:
    """A file that nothing is added to any more, and that is locked until it is deleted or let go.

    `kept`: entries that come next and are in memory; what comes after them is read from byte `start` on.
    """

    def __init__(
        self, path: Path, descriptor: int, *, own: bool, kept: Iterable[Entry] = (), start: int = 0
    ) -> None:
        self.path = path
        self.own = own
        self.kept = list(kept)
        self._start = start
        self._descriptor = descriptor

    def lines(self, most: int) -> list[bytes]:
        """The next ones, each told once. The last of all may be torn. Raises OSError."""
        with os.fdopen(self._descriptor, "rb", closefd=False) as file:
            file.seek(self._start)
            lines = list(islice(file, most))
        self._start += sum(map(len, lines))
        return lines

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        os.close(self._descriptor)


class Spool:
    """`most_bytes`: how much may wait in the folder, all processes together."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.lost = 0
        self._folder = folder
        self._descriptor: int | None = None
        self._path = folder
        self._size = 0
        self._kept: list[Entry] = []
        self._kept_size = 0
        self._total = 0
        self._full = False
        self._failing = False
        self._held: deque[Entry] = deque()

    @property
    def size(self) -> int:
        """Bytes that were added since the last `seal`."""
        return self._size

    def add(self, entries: Sequence[Entry]) -> None:
        """One write. What can't be written is held in memory, and given to whoever calls `held`."""
        if not entries:
            return
        text = b"".join(map(line, entries))
        try:
            if self._full:
                raise OSError(None, f"more than {self.most_bytes} bytes wait in {self._folder}")
            if self._descriptor is None:
                self._descriptor = self._open()
            # Where a write that was torn began, so that this one is over it.
            written = os.pwrite(self._descriptor, text, self._size)
            if written != len(text):
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                raise OSError(None, "the disk is full")
            self._size += written
        except OSError as error:
            self._hold(entries, error)
            return
        if len(self._kept) < MOST_IN_MEMORY:
            self._kept += entries
            self._kept_size = self._size

    def seal(self, *, keep: bool) -> Segment | None:
        """What was added until now; None if nothing was. `keep`: whether it is written soon, right from memory."""
        descriptor, self._descriptor = self._descriptor, None
        kept, start = (self._kept, self._kept_size) if keep else ((), 0)
        self._size, self._kept, self._kept_size = 0, [], 0
        return None if descriptor is None else Segment(self._path, descriptor, own=True, kept=kept, start=start)

    def held(self, most: int) -> list[Entry]:
        """Those that are on no disk; from now on they are the caller's."""
        return [self._held.popleft() for _ in range(min(most, len(self._held)))]

    def hold_again(self, entries: list[Entry]) -> None:
        self._held.extendleft(reversed(entries))

    def left_behind(self) -> Iterator[Segment]:
        """Files of processes that are no more. They are locked one by one, when they are asked for."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if (descriptor := _taken(path)) is not None:
                yield Segment(path, descriptor, own=False)

    def put_aside(self, name: str, text: bytes, why: str) -> None:
        """For people to look at."""
        logger.error("%s an entry of the ledger, which is put into %s: %r", why, self._folder / name, text)
        with suppress(OSError), (self._folder / name).open("ab") as file:
            file.write(text)

    def measure(self) -> int:
        """The bytes that wait in the folder, or did when it could last be looked into. Beyond the limit nothing is
        added until there is room again.
        """
        with suppress(OSError):
            self._total = self._measured()
        self._full = self._total > self.most_bytes
        if self._failing and not self._full and self._writable():
            self._failing = False
            logger.info("usage is kept on disk again")
        return self._total

    def _measured(self) -> int:
        total = 0
        for path in self._folder.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    def _open(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            self._path = self._folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{SUFFIX}"
            descriptor = os.open(self._path, _NEW, 0o600)
            if _locked(descriptor):
                return descriptor
            os.close(descriptor)  # somebody took it for one that was left, and deletes it

    def _writable(self) -> bool:
        """Whether a file can be written now."""
        probe = self._folder / f"{secrets.token_hex(4)}.probe"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe.write_bytes(b"\n" * 4096)
        except OSError:
            return False
        finally:
            with suppress(OSError):
                probe.unlink()
        return True

    def _hold(self, entries: Sequence[Entry], error: OSError) -> None:
        if not self._failing:
            self._failing = True
            logger.error("usage can't be kept on disk and is held in memory: %s", error.strerror or error)
        room = MOST_IN_MEMORY - len(self._held)
        self._held += entries[:room]
        if len(entries) > room:
            if not self.lost:
                logger.critical("usage is being lost: neither disk nor database nor memory takes it")
            self.lost += len(entries) - room


def _taken(path: Path) -> int | None:
    """The file's descriptor, locked; None while it is somebody's, or when it is there no more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    with suppress(FileNotFoundError):
        if _locked(descriptor) and path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    os.close(descriptor)
    return None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
