"""Answers under way: what the ports return."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Protocol

from app.core.http.transport import InboundResponse
from app.domain.events import EventStream, Started, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.kit.streams import OwningStream


class Decoder(Protocol):
    """Bytes in, events out. The decoder is told when the body has ended."""

    def feed(self, data: bytes) -> Iterable[StreamEvent]: ...

    def close(self) -> Iterable[StreamEvent]: ...


def answer_stream(response: InboundResponse, decoder: Decoder) -> OwningStream:
    """The events in `response`, which is closed with the stream and at its end."""
    return OwningStream(_decoded(response, decoder), response)


async def _decoded(response: InboundResponse, decoder: Decoder) -> AsyncGenerator[StreamEvent, None]:
    async with aclosing(response), aclosing(response.chunks()) as chunks:
        async for chunk in chunks:
            for event in decoder.feed(chunk):
                yield event
        for event in decoder.close():
            yield event


class ChainedStream:
    """Several answers one after another, as the choices of one: started once, their usage added up.

    `openers` are called in turn, each when the answer before it has ended.
    """

    def __init__(self, first: EventStream, openers: Sequence[Callable[[], Awaitable[EventStream]]]) -> None:
        self._current = first
        self._openers = openers
        self._input_tokens = 0
        self._output_tokens = 0
        self._events = self._read()

    def __aiter__(self) -> "ChainedStream":
        return self

    async def __anext__(self) -> StreamEvent:
        return await self._events.__anext__()

    async def aclose(self) -> None:
        await self._events.aclose()
        await self._current.aclose()

    async def _read(self) -> AsyncGenerator[StreamEvent, None]:
        async for event in self._current:
            if not self._counted(event):
                yield event
        for opener in self._openers:
            await self._current.aclose()
            self._current = await opener()
            async for event in self._current:
                if not self._counted(event) and not isinstance(event, Started):
                    yield event
        usage = Usage(input_tokens=self._input_tokens, output_tokens=self._output_tokens)
        yield UsageReported(usage=usage)

    def _counted(self, event: StreamEvent) -> bool:
        if not isinstance(event, UsageReported):
            return False
        self._input_tokens += event.usage.input_tokens
        self._output_tokens += event.usage.output_tokens
        return True
