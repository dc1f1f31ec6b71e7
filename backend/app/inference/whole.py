"""An answer that is all there, as a stream."""

from collections.abc import Iterable

from app.domain.events import StreamEvent


class Whole:
    """Satisfies EventStream. It holds nothing open."""

    __slots__ = ("_events",)

    def __init__(self, events: Iterable[StreamEvent]) -> None:
        self._events = iter(events)

    def __aiter__(self) -> "Whole":
        return self

    async def __anext__(self) -> StreamEvent:
        for event in self._events:
            return event
        raise StopAsyncIteration

    async def aclose(self) -> None:
        return None
