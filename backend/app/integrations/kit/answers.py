"""An HTTP answer as a stream of events: handed on as it is, or read into the domain's events.

A server may answer whole or in server-sent events, whatever it was asked for. How a request is sent, and what a
status other than 200 means, is each client's own matter.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Protocol

import msgspec

from app.core.http import InboundResponse
from app.domain.events import EventStream, Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.domain.whole import Whole
from app.integrations.kit.streams import OwningStream

_SSE = "text/event-stream"


class StreamDecoder(Protocol):
    def feed(self, chunk: bytes) -> Iterable[StreamEvent]: ...

    def close(self) -> Iterable[StreamEvent]: ...


class AnswerFormat(msgspec.Struct, frozen=True, kw_only=True):
    """`decode` reads a whole answer and `decoder` a stream, if there is such a thing; both are told the provider's
    name. `look` reads the figures of a whole answer that is handed on, and raises the error that it may hold;
    `relay` hands on a stream.
    """

    name: str
    decode: Callable[[bytes, str], Iterable[StreamEvent]]
    look: Callable[[bytes, str], Usage | None]
    relay: Callable[[AsyncGenerator[bytes, None], str, str], AsyncGenerator[StreamEvent, None]]
    decoder: Callable[[str], StreamDecoder] | None = None


async def answer(
    response: InboundResponse, format: AnswerFormat, provider: str, *, stream: bool, untouched: bool
) -> EventStream:
    """The events in `response`, which is closed with the stream. `stream`: the caller asked for one; who did not
    is handed all of it. `untouched`: the request was the caller's own, so the answer may be handed on as it is.
    """
    if not stream:
        try:
            return Whole(_read(await response.read(), format, provider, untouched=untouched))
        finally:
            await response.aclose()
    return OwningStream(_events(response, format, provider, untouched=untouched), response)


def _events(
    response: InboundResponse, format: AnswerFormat, provider: str, *, untouched: bool
) -> AsyncGenerator[StreamEvent, None]:
    """A server may answer a request for a stream with a whole body: that can't be handed on as it is."""
    if not (format.decoder and _streams(response)):
        return _whole(response, format, provider)
    if untouched:
        return format.relay(response.chunks(), format.name, provider)
    return decoded(response.chunks(), format.decoder(provider))


def _streams(response: InboundResponse) -> bool:
    return response.headers.get("content-type", _SSE).partition(";")[0].strip().lower() == _SSE


async def _whole(
    response: InboundResponse, format: AnswerFormat, provider: str
) -> AsyncGenerator[StreamEvent, None]:
    for event in _read(await response.read(), format, provider, untouched=False):
        yield event


def _read(body: bytes, format: AnswerFormat, provider: str, *, untouched: bool) -> list[StreamEvent]:
    usage = format.look(body, provider)
    if not untouched:
        return list(format.decode(body, provider))
    handed_on = Opaque(format.name, body, whole=True)
    return [handed_on] if usage is None else [handed_on, UsageReported(usage=usage)]


async def decoded(
    chunks: AsyncGenerator[bytes, None], decoder: StreamDecoder
) -> AsyncGenerator[StreamEvent, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            for event in decoder.feed(chunk):
                yield event
    for event in decoder.close():
        yield event
