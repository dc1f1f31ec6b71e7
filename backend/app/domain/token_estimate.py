"""About how many tokens a request has, where nobody can count them: a rule of thumb, and to be called one."""

import math
from typing import assert_never

import msgspec

from app.domain.chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResult,
    UnknownPart,
)

BYTES_PER_TOKEN = 4
PER_MESSAGE = 4
LONG_ESTIMATE = 2
"""An estimate of a text is hardly ever that many times too long; of pictures and documents it may be."""
PER_IMAGE = 1_000
"""What large models charge for an image of ordinary size, in round numbers."""


def estimate_tokens(request: ChatRequest) -> int:
    """English prose comes out within a fifth of what a byte-pair tokenizer counts; other text less well."""
    return _estimate(request, media=True)


def fewest_tokens(request: ChatRequest) -> int:
    """It surely has as many."""
    return _estimate(request, media=False) // LONG_ESTIMATE


def _estimate(request: ChatRequest, *, media: bool) -> int:
    tokens = 0
    for message in request.messages:
        tokens += PER_MESSAGE + sum(_part(part, media) for part in message.content)
    for tool in request.tools:
        tokens += _bytes(msgspec.json.encode(tool))
    if request.response_format is not None:
        tokens += _bytes(msgspec.json.encode(request.response_format))
    return tokens


def _part(part: Part, media: bool) -> int:
    match part:
        case TextPart() | RefusalPart() | ReasoningPart():
            return _bytes(part.text.encode())
        case ToolCall():
            return PER_MESSAGE + _bytes(part.name.encode()) + _bytes(part.arguments.encode())
        case ToolResult():
            return sum(_part(inner, media) for inner in part.content)
        case ImagePart():
            return PER_IMAGE if media else 0
        case FilePart() | AudioPart():
            # Base64 spends four characters on three bytes, and a document is mostly text.
            return _bytes((part.data or "").encode()) * 3 // 4 if media else 0
        case UnknownPart():
            return _bytes(msgspec.json.encode(part.extensions))
        case _:
            assert_never(part)


def _bytes(text: bytes) -> int:
    return math.ceil(len(text) / BYTES_PER_TOKEN)
