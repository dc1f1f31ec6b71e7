"""What ended, told to whoever counts for all processes: in the background, and all that ends meanwhile at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from app.domain.errors import UpstreamError

AGAIN_SECONDS = 0.25
"""When to tell again what could not be told: before anybody who was refused a place comes again."""

UNKNOWN = "?"

MOST = 10_000
"""Changes that wait while nobody can be told. Of more, the oldest are given up."""


class Change(NamedTuple):
    """`difference` is added to the `step` of `key`. No step: `call` does not hold its place at `key` any more.
    UNKNOWN: `call` has no use for what it took there, if it took something.
    """

    key: str
    call: str
    step: str
    difference: int


class Settling:
    """`tell` is given a batch and its number, and raises UpstreamError when that is not possible now. It is then
    given the same again, under the same number: what was heard, though nobody said so, must not count twice.
    """

    def __init__(self, tell: Callable[[int, Sequence[Change]], Awaitable[object]]) -> None:
        self._tell = tell
        self._waiting: deque[Change] = deque(maxlen=MOST)
        self._places: dict[str, asyncio.Event] = {}
        self._told = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._number = 0

    def add(self, change: Change) -> None:
        self._waiting.append(change)
        if change.step in ("", UNKNOWN):
            self._places[change.key] = self._told
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_telling())

    async def places(self, key: str) -> None:
        """Returns when those that were given back here are known to be free, or can't be told now: who comes again
        as soon as the answer is there must find the place.
        """
        if (told := self._places.get(key)) is not None:
            await told.wait()

    async def close(self) -> None:
        """Returns when all is told, or was told in vain once more."""
        self._closing.set()
        while self._task is not None:
            await asyncio.wait({self._task})
        self._closing.clear()

    async def _keep_telling(self) -> None:
        try:
            while self._waiting:
                batch = list(self._waiting)
                self._waiting.clear()
                self._number += 1
                told, self._told = self._told, asyncio.Event()
                while not await self._was_told(batch, told):
                    if self._closing.is_set():
                        break
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._closing.wait(), AGAIN_SECONDS)
        finally:
            self._task = None

    async def _was_told(self, batch: Sequence[Change], told: asyncio.Event) -> bool:
        try:
            await self._tell(self._number, batch)
        except UpstreamError:
            self._told.set()  # nobody waits for what may take long
            return False
        finally:
            told.set()
            self._places = {key: each for key, each in self._places.items() if not each.is_set()}
        return True
