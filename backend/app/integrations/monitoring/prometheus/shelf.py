"""The numbers that one process has counted, in memory that outlives it.

A series has a place among the numbers: one for a counter; for a histogram its sum, then a count for each bucket.
With a folder they stand in two files, `ID.names` (a line of JSON a series) and `ID.values` (float64), so that
other processes can read them at any time and nothing is lost when this one is killed. Whoever holds a lock on its
names is alive. Adding to a number costs no system call and no lock: only its own process ever writes.
"""

import logging
import mmap
import os
from bisect import bisect_left
from pathlib import Path

import msgspec

from app.core.liveness import mark_new
from app.integrations.monitoring.prometheus.families import FAMILIES, Family

CAPACITY = 2**18
"""Numbers that fit, 2 MiB."""

RESERVE = 1024
"""Of these, for what has no place of its own."""

WIDTH = 8
NAMES, VALUES = ".names", ".values"

Series = tuple[str, tuple[str, ...]]
Numbers = dict[Series, list[float]]
"""What is counted under each series, by the family's name and the values of its labels."""


logger = logging.getLogger(__name__)


class Full(Exception):
    """There is no place for another series."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A line among the names."""

    family: str
    labels: tuple[str, ...]
    start: int


class Shelf:
    """`values[place]` may be added to. `folder`: None keeps the numbers in this process alone."""

    def __init__(self, folder: Path | None = None, capacity: int = CAPACITY) -> None:
        self.id = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._places: dict[Series, int] = {}
        self._used = 0
        self._told_full = False
        self._capacity = capacity
        self._names: int | None = None
        size = capacity * WIDTH
        if folder is None:
            self._memory = mmap.mmap(-1, size)
        else:
            self._memory = _mapped(folder / (self.id + VALUES), size)
            self._names = mark_new(folder / (self.id + NAMES))
        self.values = memoryview(self._memory).cast("d")

    def add(self, family: Family, amount: float, *labels: str) -> None:
        """To a counter; not where there is no place for it."""
        try:
            self.values[self.place(family, *labels)] += amount
        except Full:
            self.tell_full()

    def observe(self, family: Family, amount: float, *labels: str) -> None:
        """In a histogram; not where there is no place for it."""
        try:
            start = self.place(family, *labels)
        except Full:
            self.tell_full()
        else:
            self.values[start] += amount
            self.values[start + 1 + bisect_left(family.bounds, amount)] += 1.0

    def place(self, family: Family, *labels: str) -> int:
        """Where the numbers of this series begin; the same each time. Raises Full."""
        found = self._places.get((family.name, labels))
        return self._take(family, labels, self._capacity - RESERVE) if found is None else found

    def last_place(self, family: Family, *labels: str) -> int:
        """As `place`, of what is kept for when there is no other."""
        found = self._places.get((family.name, labels))
        return self._take(family, labels, self._capacity) if found is None else found

    def _take(self, family: Family, labels: tuple[str, ...], limit: int) -> int:
        start = self._used
        if start + family.width > limit:
            raise Full
        if self._names is not None:
            try:
                os.write(self._names, msgspec.json.encode(Place(family.name, labels, start)) + b"\n")
            except OSError as error:
                raise Full from error
        self._used += family.width
        self._places[family.name, labels] = start
        return start

    def tell_full(self) -> None:
        """Once."""
        if not self._told_full:
            self._told_full = True
            logger.warning("there are too many series: what is new is counted as 'other', or not at all")

    def numbers(self) -> Numbers:
        """A copy; also for another thread."""
        return {
            series: list(self.values[start : start + FAMILIES[series[0]].width])
            for series, start in list(self._places.items())
        }

    def close(self) -> None:
        """Count no more. What was counted stays in the files."""
        if self._names is not None:
            os.close(self._names)
            self._names = None


def _mapped(path: Path, size: int) -> mmap.mmap:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.ftruncate(file, size)
        # Writing to a page for which a full disk has no block would kill the process.
        os.posix_fallocate(file, 0, size)
        return mmap.mmap(file, size)
    finally:
        os.close(file)
