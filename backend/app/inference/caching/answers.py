"""Where answers are kept: in this process's memory, or in a store that all processes of the platform see.

While that store does not answer, the memory stands in for it.
"""

from app.domain.errors import UpstreamError
from app.domain.events import StreamEvent
from app.domain.ports import Cache
from app.inference.caching import kept
from app.inference.caching.memory import MemoryCache


class Answers:
    """`most_bytes`: the largest answer that is kept. `shared`: the store, where there is one."""

    def __init__(self, memory: MemoryCache, most_bytes: int, shared: Cache | None = None) -> None:
        self.memory = memory
        self.most_bytes = most_bytes
        self.shared = shared

    async def get(self, key: str) -> list[StreamEvent] | None:
        value = await self._find(key)
        return None if value is None else kept.decode(value)

    async def put(self, key: str, events: list[StreamEvent], ttl: float) -> None:
        value = kept.encode(events)
        if len(value) > self.most_bytes:
            return
        if self.shared is not None:
            try:
                await self.shared.put_cached(key, value, ttl)
            except UpstreamError:
                pass
            else:
                return
        self.memory.put(key, value, ttl)

    async def _find(self, key: str) -> bytes | None:
        if self.shared is not None:
            try:
                return await self.shared.get_cached(key)
            except UpstreamError:
                pass
        return self.memory.get(key)
