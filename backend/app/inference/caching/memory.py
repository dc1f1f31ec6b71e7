"""Values in this process's memory, up to so many bytes: the one that was not asked for longest makes room."""

import time
from collections import OrderedDict
from collections.abc import Callable

OVERHEAD = 300
"""Bytes that an entry takes besides its value, about."""


class MemoryCache:
    """`size` in bytes, of `limit`. `evicted`: how many made room before their time was over. `now` in seconds."""

    def __init__(self, limit: int, now: Callable[[], float] = time.monotonic) -> None:
        self.size = 0
        self.evicted = 0
        self._limit = limit
        self._now = now
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    @property
    def limit(self) -> int:
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._make_room()

    def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, until = entry
        if self._now() >= until:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: str, value: bytes, ttl: float) -> None:
        self._remove(key)
        self._entries[key] = value, self._now() + ttl
        self.size += len(value) + OVERHEAD
        self._make_room()

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= len(entry[0]) + OVERHEAD

    def _make_room(self) -> None:
        while self.size > self._limit:
            self._remove(next(iter(self._entries)))
            self.evicted += 1
