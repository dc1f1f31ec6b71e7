"""An answer that is all there, as a stream. Whoever is handed one may take its events at once."""

from collections.abc import Sequence

from app.domain.events import StreamEvent


class Whole:
    """Satisfies EventStream. It holds nothing open."""

    __slots__ = ("_rest", "events")

    def __init__(self, events: Sequence[StreamEvent]) -> None:
        self.events = events
        self._rest = iter(events)

    def __aiter__(self) -> "Whole":
        return self

    async def __anext__(self) -> StreamEvent:
        for event in self._rest:
            return event
        raise StopAsyncIteration

    async def aclose(self) -> None:
        return None
