"""What ended, told to whoever counts for all processes: in the background, and all that ends meanwhile at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from app.domain.errors import UpstreamError


class Change(NamedTuple):
    """`difference` is added to the `step` of `key`. No step: `call` does not hold its place at `key` any more."""

    key: str
    call: str
    step: str
    difference: int


class Settling:
    """`tell` raises UpstreamError when that is not possible now; what it was to be told is then left as it is."""

    def __init__(self, tell: Callable[[Sequence[Change]], Awaitable[object]]) -> None:
        self._tell = tell
        self._waiting: list[Change] = []
        self._places: dict[str, asyncio.Event] = {}
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, change: Change) -> None:
        self._waiting.append(change)
        if not change.step:
            self._places[change.key] = self._told
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_telling())

    async def places(self, key: str) -> None:
        """Returns when those that were given back here are known to be free: who comes again as soon as the
        answer is there must find the place.
        """
        if (told := self._places.get(key)) is not None:
            await told.wait()

    async def close(self) -> None:
        """Returns when all is told."""
        while self._task is not None:
            await asyncio.wait({self._task})

    async def _keep_telling(self) -> None:
        try:
            while self._waiting:
                changes, self._waiting = self._waiting, []
                told, self._told = self._told, asyncio.Event()
                try:
                    with suppress(UpstreamError):
                        await self._tell(changes)
                finally:
                    told.set()
                    self._places = {key: each for key, each in self._places.items() if each is not told}
        finally:
            self._task = None
