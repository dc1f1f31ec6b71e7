"""An event stream that owns what it reads from. One that is all there already: app.domain.whole."""

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, Protocol

from app.domain.events import StreamEvent


class Closable(Protocol):
    async def aclose(self) -> None: ...


class OwningStream:
    """Satisfies EventStream. Closing it closes `source` too, also when nothing was ever read: the `finally` of a
    generator that was not started would not run. Reading costs nothing over `events` itself.
    """

    __slots__ = ("_events", "_source")

    def __init__(self, events: AsyncGenerator[StreamEvent, None], source: Closable) -> None:
        self._events = events
        self._source = source

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    def __anext__(self) -> Coroutine[Any, Any, StreamEvent]:
        return self._events.__anext__()

    async def aclose(self) -> None:
        try:
            await self._events.aclose()
        finally:
            await self._source.aclose()
