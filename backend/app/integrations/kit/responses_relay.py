"""Handing on an OpenAI Responses answer as it is, whole or streamed, with eyes for its failure, figures and end.

The stream of this format has no [DONE]: its last event holds the whole response, usage and all.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from app.domain.errors import PlatformError, ProviderProtocolError, UpstreamUnavailable
from app.domain.events import Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.kit.openai_relay import drain
from app.wire.fields import AnswerFields
from app.wire.openai_responses.failure import raise_failure
from app.wire.openai_responses.usage import decode_usage
from app.wire.sse import FrameSplitter

_ENDS = ("response.completed", "response.incomplete", "response.failed", "error")
# Only JSON that means it can hold these words in quotes that are not escaped; a caller's own fields may, too.
_MARK = re.compile(rb'"(?:response\.(?:completed|incomplete|failed)|error)"\s*[,}]')
_FRAME_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_DATA = re.compile(rb"^data: *(\{.*)$", re.MULTILINE)


class _Answer(msgspec.Struct, gc=False):
    """Everything else is skipped."""

    usage: dict[str, Any] | None = None
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    response: _Answer | None = None


_decode = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def look(body: bytes, provider: str) -> Usage | None:
    """The figures in a whole answer. Raises the failure that it tells; ProviderProtocolError if it is no JSON."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = f"'{provider}' answered with something that is no response."
        raise ProviderProtocolError(message, provider=provider) from None
    raise_failure({"response": {"error": answer.error}}, provider)
    return _usage(answer)


async def relay(
    chunks: AsyncGenerator[bytes, None], format: str, provider: str
) -> AsyncGenerator[StreamEvent, None]:
    """Opaque events, one a read; UsageReported just before the run with the last event.

    Raises what a failure tells, after what came before it; UpstreamUnavailable when the end is missing.
    """
    splitter = FrameSplitter()
    async with aclosing(chunks):
        async for chunk in chunks:
            run = splitter.feed(chunk)
            if not run:
                continue
            found = _ending(run, provider) if _MARK.search(run) else None
            if found is None:
                yield Opaque(format, run)
                continue
            start, ending = found
            async for event in _last(run, start, ending, format):
                yield event
            await drain(chunks)
            return
    found = _ending(splitter.pending, provider)
    if found is None:
        raise UpstreamUnavailable(f"'{provider}' ended the stream early.", provider=provider)
    async for event in _last(splitter.pending + b"\n\n", *found, format):
        yield event


async def _last(
    run: bytes, start: int, ending: PlatformError | Usage | bool, format: str
) -> AsyncGenerator[StreamEvent, None]:
    if isinstance(ending, PlatformError):
        if start:
            yield Opaque(format, run[:start])
        raise ending
    if isinstance(ending, Usage):
        yield UsageReported(usage=ending)
    yield Opaque(format, run)


def _ending(run: bytes, provider: str) -> tuple[int, PlatformError | Usage | bool] | None:
    """Where the frame of the last event begins, and what it tells: a failure, the figures, or the end alone."""
    for frame in _DATA.finditer(run):
        try:
            event = _decode_event(frame[1])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if event.type not in _ENDS:
            continue
        if event.type in ("response.failed", "error"):
            return _begin(run, frame.start()), _failure(frame[1], provider)
        usage = _usage(event.response) if event.response else None
        return _begin(run, frame.start()), usage or True
    return None


def _begin(run: bytes, data_at: int) -> int:
    """The frame's `event:` line stands before its data."""
    ends = [found.end() for found in _FRAME_END.finditer(run, 0, data_at)]
    return ends[-1] if ends else 0


def _failure(data: bytes, provider: str) -> PlatformError:
    try:
        raise_failure({"type": "error", **msgspec.json.decode(data)}, provider)
    except PlatformError as error:
        return error
    return ProviderProtocolError(f"'{provider}' failed and does not say why.", provider=provider)


def _usage(answer: _Answer) -> Usage | None:
    """Figures that make no sense are none, for the answer itself may be sound."""
    if not answer.usage:
        return None
    try:
        return decode_usage(AnswerFields(answer.usage))
    except ProviderProtocolError:
        return None
