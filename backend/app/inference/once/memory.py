"""Keys in this process's memory: for a platform that has nothing else to keep them in. A restart forgets them."""

import time
from collections.abc import Callable

from app.inference.caching.memory import MemoryCache


class MemoryClaims:
    """Satisfies ClaimStore. `limit`: bytes of all answers together; the one that was not asked for longest makes
    room, and what is under way never does. `now` in seconds.
    """

    def __init__(self, limit: int, now: Callable[[], float] = time.monotonic) -> None:
        self.answers = MemoryCache(limit, now)
        self._marks: dict[str, tuple[bytes, float]] = {}
        self._now = now

    async def claim(self, key: str, mark: bytes, seconds: float) -> bytes | None:
        if (answer := self.answers.get(key)) is not None:
            return answer
        now = self._now()
        there = self._marks.get(key)
        if there is not None and now < there[1]:
            return there[0]
        self._marks[key] = mark, now + seconds
        return None

    async def exchange(self, key: str, mark: bytes, value: bytes | None, seconds: float = 0.0) -> bool:
        there = self._marks.get(key)
        if there is None or there[0] != mark:
            return False
        del self._marks[key]
        if value == mark:
            self._marks[key] = mark, self._now() + seconds
        elif value is not None:
            self.answers.put(key, value, seconds)
        return True
