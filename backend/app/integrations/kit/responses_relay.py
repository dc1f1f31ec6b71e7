"""Handing on an OpenAI Responses answer as it is, whole or streamed, with eyes for its failure, figures and end.

The stream of this format has no [DONE]: its last event holds the whole response, usage and all.
"""

import re
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import msgspec

from app.domain.errors import PlatformError, ProviderProtocolError
from app.domain.events import Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.kit import relay as kit
from app.integrations.kit.relay import DATA, Ending, failed
from app.wire.fields import AnswerFields
from app.wire.openai_responses.failure import raise_failure
from app.wire.openai_responses.usage import decode_usage

_ENDS = ("response.completed", "response.incomplete", "response.failed", "error")
# Only JSON that means it can hold these words in quotes that are not escaped; a caller's own fields may, too.
_MARK = re.compile(rb'"(?:response\.(?:completed|incomplete|failed)|error)"\s*[,}]')


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


def relay(chunks: AsyncGenerator[bytes, None], format: str, provider: str) -> AsyncGenerator[StreamEvent, None]:
    """As kit.relay has it. UsageReported comes just before the run with the last event."""
    return kit.relay(chunks, format, provider, partial(_ending, format, provider))


def _ending(format: str, provider: str, run: bytes) -> Ending | None:
    for frame in DATA.finditer(run) if _MARK.search(run) else ():
        try:
            event = _decode_event(frame[1])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if event.type not in _ENDS:
            continue
        if event.type in ("response.failed", "error"):
            return failed(format, run, frame.start(), _failure(frame[1], provider))
        usage = _usage(event.response) if event.response else None
        told = () if usage is None else (UsageReported(usage=usage),)
        return Ending((*told, Opaque(format, run, last=True)))
    return None


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
