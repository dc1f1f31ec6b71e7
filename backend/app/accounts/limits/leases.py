"""The calls under way that this process vouches for, where several processes count them together.

A process that dies can't give its places back: they are free again when nobody has vouched for them for a while.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from app.core.clock import Clock
from app.domain.errors import UpstreamError

LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0
AT_ONCE = 500

Pairs = Sequence[tuple[str, str]]


class Leases:
    """`renew` is told pairs of a key and a call; it raises UpstreamError when that is not possible now."""

    def __init__(self, renew: Callable[[Pairs], Awaitable[object]], clock: Clock) -> None:
        self._renew = renew
        self._clock = clock
        self._held: set[tuple[str, str]] = set()
        self._task: asyncio.Task[None] | None = None

    def hold(self, key: str, call: str) -> None:
        self._held.add((key, call))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._keep())

    def let_go(self, key: str, call: str) -> None:
        self._held.discard((key, call))

    def holds(self, key: str, call: str) -> bool:
        return (key, call) in self._held

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _keep(self) -> None:
        """As long as there is something to vouch for."""
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            held = list(self._held)
            if not held:
                return
            try:
                for at in range(0, len(held), AT_ONCE):
                    await self._renew(held[at : at + AT_ONCE])
            except UpstreamError:
                continue  # whoever can't be reached can't forget them either
