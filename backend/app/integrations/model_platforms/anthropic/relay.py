"""Handing on an answer as it is, whole or streamed, with eyes for an error, the figures and the end.

Of a stream, message_start tells what was read, and message_delta the totals so far, which replace earlier ones:
https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from app.domain.errors import PlatformError, ProviderProtocolError
from app.domain.events import Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.kit import relay as kit
from app.integrations.kit.relay import DATA, Ending, failed
from app.wire.anthropic_messages.errors import raise_error_object
from app.wire.anthropic_messages.usage import decode_usage
from app.wire.fields import AnswerFields

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Seen(msgspec.Struct, gc=False):
    """An answer, or an event of a stream. Everything else is skipped."""

    type: str = ""
    message: Any = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Seen).decode


def look(body: bytes, provider: str) -> Usage | None:
    """The figures in a whole answer. Raises the error that it is instead; ProviderProtocolError if it is no JSON
    object.
    """
    try:
        seen = _decode(body)
    except _UNREADABLE:
        message = f"'{provider}' answered with something that is no message."
        raise ProviderProtocolError(message, provider=provider) from None
    if error := _error(seen, provider):
        raise error
    return _usage(seen.usage)


def relay(chunks: AsyncGenerator[bytes, None], format: str, provider: str) -> AsyncGenerator[StreamEvent, None]:
    """As kit.relay has it. UsageReported comes just before the run with the last event."""
    return kit.relay(chunks, format, provider, _Look(format, provider))


class _Look:
    def __init__(self, format: str, provider: str) -> None:
        self._format = format
        self._provider = provider
        self._counts: dict[str, Any] = {}

    def __call__(self, run: bytes) -> Ending | None:
        for frame in DATA.finditer(run) if _marked(run) else ():
            if _marked(frame[1]) and (seen := _read(frame[1])):
                if error := _error(seen, self._provider):
                    return failed(self._format, run, frame.start(), error)
                if seen.type == "message_stop":
                    return self._end(run)
                self._count(seen)
        return None

    def _count(self, seen: _Seen) -> None:
        """The figures stand in the event, or in the message that it starts."""
        usage = seen.message.get("usage") if isinstance(seen.message, dict) else seen.usage
        if isinstance(usage, dict):
            self._counts.update(AnswerFields(usage).left())

    def _end(self, run: bytes) -> Ending:
        usage = _usage(self._counts)
        told = () if usage is None else (UsageReported(usage=usage),)
        return Ending((*told, Opaque(self._format, run, last=True)))


def _marked(text: bytes) -> bool:
    return b'"message_stop"' in text or b'"usage"' in text or b'"error"' in text


def _read(data: bytes) -> _Seen | None:
    try:
        return _decode(data)
    except _UNREADABLE:
        return None


def _error(seen: _Seen, provider: str) -> PlatformError | None:
    if seen.type != "error" and not seen.error:
        return None
    try:
        raise_error_object({"type": "error", "error": seen.error}, provider)
    except PlatformError as error:
        return error
    return None


def _usage(counts: object) -> Usage | None:
    """Figures that make no sense are none, for the answer itself may be sound."""
    if not isinstance(counts, dict) or not counts:
        return None
    try:
        return decode_usage(AnswerFields(counts))
    except ProviderProtocolError:
        return None
