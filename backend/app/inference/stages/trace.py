"""Which trace a call belongs to, and what its answer said of itself, where somebody records it.

What is not recorded costs a decision at its start and nothing after it: its stream is handed on unwrapped. Spans
are made by the tracer, of the record of the whole call.
"""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from app.domain.embeddings import EmbeddingResult
from app.domain.errors import PlatformError
from app.domain.events import EventStream, Finished, Opaque, Started, StreamEvent, TextDelta
from app.domain.tracing import Told, Tracer
from app.inference.call import Call

_LOOKED_AT = 4096
"""Bytes at the beginning and at the end of an opaque piece. What is looked for stands there."""

_DECODED = 65536
"""Bytes of a request that is decoded for its trace alone."""

_ID = re.compile(rb'"id"\s*:\s*"([!-~]{1,200}?)"')
_MODEL = re.compile(rb'"model"\s*:\s*"([!-~]{1,200}?)"')
_REASON = re.compile(rb'"(?:finish|stop)_reason"\s*:\s*"([a-z_]{1,40})"')
_TEXTS = {
    name: re.compile(rb'"%s"\s*:\s*("(?:[^"\\]++|\\.)*+")' % name) for name in (b"content", b"text", b"delta")
}
_TEXT_FIELDS = {"openai_chat": b"content", "openai_responses": b"delta"}
"""By format; `text` in all others, and in whole answers of the second."""


class TraceCalls:
    """`tracer`: who decides now; None where nobody traces, and then what the caller sent is handed on."""

    def __init__(self) -> None:
        self.tracer: Tracer | None = None

    def __call__(self, call: Call, proceed: Callable[[Call], Awaitable[EventStream]]) -> Awaitable[EventStream]:
        return proceed(call) if self.tracer is None else _traced(self.tracer, call, proceed)


async def _traced(tracer: Tracer, call: Call, proceed: Callable[[Call], Awaitable[EventStream]]) -> EventStream:
    trace = call.trace = tracer.begin(call.trace)
    with tracer.within(trace):
        if not trace.span:
            return await proceed(call)
        told = trace.told = Told(partial(_request, call), call.route, most=tracer.content)
        try:
            return _Watched(await proceed(call), told)
        except BaseException as error:
            told.error = error
            raise


def _request(call: Call) -> Any:
    """None where it is too long to be decoded for this, or can't be."""
    if call.encoded is not None and len(call.encoded.body) > _DECODED:
        return None
    try:
        return call.request
    except PlatformError:
        return None


class _Watched:
    """Hands every event on and notes what it tells."""

    __slots__ = ("_stream", "_told")

    def __init__(self, stream: EventStream, told: Told) -> None:
        self._stream = stream
        self._told = told
        told.answered = True

    def __aiter__(self) -> "_Watched":
        return self

    async def __anext__(self) -> StreamEvent:
        event = await self._stream.__anext__()
        note(event, self._told)
        return event

    async def aclose(self) -> None:
        await self._stream.aclose()


def note(event: StreamEvent, told: Told) -> None:
    match event:
        case Opaque():
            _note_bytes(event, told)
        case TextDelta():
            told.add(event.text)
        case Started():
            told.id, told.model = event.id, event.model
        case Finished():
            told.reasons.append(event.reason)
        case EmbeddingResult():
            told.model = event.model


def _note_bytes(event: Opaque, told: Told) -> None:
    """Quotes within a text are escaped on the wire, so none of its words can be taken for a field."""
    data = event.data
    if told.id is None and (found := _ID.search(data, 0, _LOOKED_AT)):
        told.id = found[1].decode()
    if told.model is None and (found := _MODEL.search(data, 0, _LOOKED_AT)):
        told.model = found[1].decode()
    told.reasons += [reason.decode() for reason in _REASON.findall(data, max(0, len(data) - _LOOKED_AT))]
    if told.most > len(told.text):
        field = (
            b"text" if event.whole and event.format != "openai_chat" else _TEXT_FIELDS.get(event.format, b"text")
        )
        for text in _TEXTS[field].findall(data):
            told.add(_unquoted(text))


def _unquoted(text: bytes) -> str:
    try:
        return msgspec.json.decode(text, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
