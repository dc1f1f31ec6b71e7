"""Looking into an OpenAI-style answer that is handed on unread: is it an error, and what was used?

One pass over the JSON that builds next to nothing: it is part of what every request costs. Of the usage only the
counts are read, since whatever else stands there is in the bytes that are handed on.
"""

from typing import Any

import msgspec

from app.domain.errors import PlatformError, ProviderProtocolError
from app.domain.usage import Usage
from app.wire.openai_chat.upstream_errors import raise_error_object

Count = int | None


class _Details(msgspec.Struct, gc=False):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    reasoning_tokens: Count = None


class _Figures(msgspec.Struct, gc=False):
    """DeepSeek has cached tokens under a name of its own: https://api-docs.deepseek.com/guides/kv_cache"""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: Count = None

    def usage(self) -> Usage:
        read = self.prompt_tokens_details or _NONE
        written = self.completion_tokens_details or _NONE
        return Usage(
            input_tokens=self.prompt_tokens or 0,
            output_tokens=self.completion_tokens or 0,
            cached_tokens=read.cached_tokens or self.prompt_cache_hit_tokens or 0,
            cache_write_tokens=read.cache_write_tokens or 0,
            reasoning_tokens=written.reasoning_tokens or 0,
        )


class _Groq(msgspec.Struct, gc=False):
    """Groq tells of a stream's usage without being asked: https://console.groq.com/docs/api-reference#chat-create"""

    usage: _Figures | None = None


class _Mistaken(msgspec.Struct, gc=False):
    error: Any = None


class _Answer(_Mistaken, gc=False):
    """Everything else is skipped."""

    usage: _Figures | None = None
    x_groq: _Groq | None = None

    @property
    def figures(self) -> _Figures | None:
        return self.usage or (self.x_groq.usage if self.x_groq else None)


class _Frame(_Answer, gc=False):
    choices: list[msgspec.Raw] | None = None


_NONE = _Details()
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode = msgspec.json.Decoder(_Answer).decode
_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_mistaken = msgspec.json.Decoder(_Mistaken).decode


def error_in(data: bytes, provider: str) -> PlatformError | None:
    """The error that a frame's JSON tells of."""
    try:
        _raise_error(_decode_mistaken(data), provider)
    except _UNREADABLE:
        return None
    except PlatformError as error:
        return error
    return None


def usage_in(data: bytes) -> Usage | None:
    """The figures in a frame's JSON."""
    try:
        figures = _decode(data).figures
    except _UNREADABLE:
        return None
    return figures.usage() if figures else None


def holds_usage_alone(data: bytes) -> bool:
    """Whether a frame's JSON has figures and an empty list of choices."""
    try:
        frame = _decode_frame(data)
    except _UNREADABLE:
        return False
    return frame.choices == [] and frame.figures is not None


def look(body: bytes, provider: str) -> Usage | None:
    """The figures in a whole answer; such as make no sense are none, for the answer itself may be sound.

    Raises the error that the answer holds, and ProviderProtocolError if it is no JSON object.
    """
    try:
        answer = _decode(body)
    except msgspec.ValidationError:
        answer = _without_figures(body, provider)
    except _UNREADABLE:
        raise _unreadable(provider) from None
    _raise_error(answer, provider)
    return answer.figures.usage() if answer.figures else None


def _without_figures(body: bytes, provider: str) -> _Answer:
    try:
        return _Answer(error=_decode_mistaken(body).error)
    except _UNREADABLE:
        raise _unreadable(provider) from None


def _unreadable(provider: str) -> ProviderProtocolError:
    return ProviderProtocolError(f"'{provider}' answered with something that is not JSON.", provider=provider)


def _raise_error(answer: _Mistaken, provider: str) -> None:
    if answer.error:
        raise_error_object({"error": answer.error}, provider)
