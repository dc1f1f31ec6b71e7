"""The request that a great many are: turns of one text each, and the usual knobs.

Read at a fraction of the cost. Whatever differs in one field, be it a null, fails here and goes the long way in
request.py.
"""

from typing import Annotated, Any, Literal

import msgspec

from app.domain.chat import ChatRequest, Message, Sampling, TextPart
from app.wire.openai_chat import FORMAT
from app.wire.openai_chat.sampling import LIMIT_FIELDS

_ABSENT: Any = None
"""Of a field that may be left out, but not be null: nulls are given back as they came."""


class _Message(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, msgspec.Meta(min_length=1)]


class _StreamOptions(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    include_usage: bool


class _Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    model: str
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    stream: bool = _ABSENT
    stream_options: _StreamOptions = _ABSENT
    max_tokens: int = _ABSENT
    max_completion_tokens: int = _ABSENT
    temperature: int | float = _ABSENT
    top_p: int | float = _ABSENT
    presence_penalty: int | float = _ABSENT
    frequency_penalty: int | float = _ABSENT
    seed: int = _ABSENT
    user: str = _ABSENT


_decode = msgspec.json.Decoder(_Request).decode


def decode_plain(body: bytes) -> ChatRequest | None:
    """None where `body` is anything else."""
    try:
        request = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    options = request.stream_options
    if options is not None and not options.include_usage:
        return None
    kept: dict[str, Any] = {} if request.stream is not False else {"stream": False}
    limits = {name: limit for name in LIMIT_FIELDS if (limit := getattr(request, name)) is not None}
    if limits:
        kept |= limits
    return ChatRequest(
        model=request.model,
        messages=tuple(
            [Message(role=each.role, content=(TextPart(text=each.content),)) for each in request.messages]
        ),
        sampling=Sampling(
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            max_output_tokens=next(iter(limits.values()), None),
            presence_penalty=request.presence_penalty,
            frequency_penalty=request.frequency_penalty,
        ),
        user=request.user,
        stream=request.stream is True,
        include_usage=options is not None,
        extensions={FORMAT: kept} if kept else {},
    )
