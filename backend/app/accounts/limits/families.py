"""Which keys were issued below which, so that what they spend counts for those above them, too."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from app.core.clock import Clock, SystemClock
from app.domain.errors import PlatformError

REFRESH_SECONDS = 10.0

logger = logging.getLogger(__name__)

Paths = Callable[[], Awaitable[Iterable[str]]]
"""Of all keys that stand below others: ids from the top, with slashes between. Raises PlatformError."""


class Families:
    """What is known stays as it is while nobody tells anything new."""

    def __init__(self, paths: Paths, clock: Clock | None = None) -> None:
        self._paths = paths
        self._clock = clock or SystemClock()
        self._below: dict[str, set[str]] = {}
        self._above: dict[str, tuple[str, ...]] = {}
        self.version = 0
        """Changes with every refresh."""

    def of(self, key: str) -> Iterable[str]:
        """Itself, and all below it."""
        below = self._below.get(key)
        return (key,) if below is None else (key, *below)

    def above(self, key: str) -> Sequence[str]:
        return self._above.get(key, ())

    def learn(self, line: Sequence[str]) -> bool:
        """A key's, from the top. Whether it was not known."""
        *above, key = line
        if key in self._above:
            return False
        self._above[key] = tuple(above)
        for each in above:
            self._below.setdefault(each, set()).add(key)
        return True

    async def keep_up(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception:
                logger.exception("defect in what tells of keys below others; they stay as they were known")
            await self._clock.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        try:
            paths = await self._paths()
        except PlatformError:
            return
        self._below, self._above = {}, {}
        self.version += 1
        for path in paths:
            self.learn(path.split("/"))
