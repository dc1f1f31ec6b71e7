"""Whole answers: https://platform.openai.com/docs/api-reference/chat/object"""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.domain.chat import ChatResult, Choice, Message, Part, TextPart
from app.domain.usage import Usage
from app.wire.fields import AnswerFields, Fields, merge
from app.wire.json_text import parse_answer
from app.wire.openai_chat import FORMAT
from app.wire.openai_chat.finish import decode_finish, encode_finish
from app.wire.openai_chat.logprobs import encode_logprobs, take_logprobs
from app.wire.openai_chat.messages import REASONING_FIELDS, decode_answer, encode_answer
from app.wire.openai_chat.parts import read_content
from app.wire.openai_chat.upstream_errors import raise_error_object
from app.wire.openai_chat.usage import decode_usage, encode_usage

_SPOKEN = frozenset({"content", "refusal", "tool_calls", *REASONING_FIELDS})


def decode(body: bytes, provider: str | None = None) -> ChatResult:
    """Raises ProviderProtocolError, or the error that `body` holds instead of an answer."""
    value = parse_answer(body, provider)
    raise_error_object(value, provider)
    fields = AnswerFields(value)
    id, model, created = take_identity(fields)
    if "choices" not in fields.rest:
        raise fields.wrong("choices", "an array")
    choices = tuple(_decode_choice(choice, index, id) for index, choice in enumerate(fields.items("choices")))
    fields.rest.pop("choices", None)
    return ChatResult(
        id=id,
        model=model,
        created=created,
        choices=choices,
        usage=take_usage(fields, FORMAT),
        extensions=fields.extensions(FORMAT),
    )


def take_identity(fields: Fields) -> tuple[str, str, int]:
    """Id, model, and creation time in Unix seconds; not every server gives them."""
    fields.rest.pop("object", None)
    created = fields.number("created")
    return fields.text("id") or "", fields.text("model") or "", int(created or 0)


def take_usage(fields: Fields, format: str) -> Usage | None:
    inner = fields.child("usage")
    if inner is None:
        return None
    del fields.rest["usage"]
    return decode_usage(inner, format)


def _decode_choice(fields: Fields, position: int, id: str) -> Choice:
    index = fields.integer("index")
    index = position if index is None else index
    message = fields.child("message")
    parts = tuple(decode_answer(message, _joined(read_content(message)), f"{id}-{index}")) if message else ()
    word = fields.text("finish_reason")
    reason, kept = decode_finish(word) if word else (None, {})
    logprobs = take_logprobs(fields)
    stop_sequence = take_stop_sequence(fields)
    spoken = Message(role="assistant", content=parts, extensions=_rest_of_message(fields, message))
    fields.rest.update(kept)
    return Choice(
        index=index,
        message=spoken,
        finish_reason=reason,
        stop_sequence=stop_sequence,
        logprobs=logprobs,
        extensions=fields.extensions(FORMAT),
    )


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Neighbouring texts as one, which is what a stream gives."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, TextPart) and isinstance(last, TextPart) and not (part.extensions or last.extensions):
            joined[-1] = TextPart(text=last.text + part.text)
        else:
            joined.append(part)
    return joined


def _rest_of_message(choice: Fields, message: Fields | None) -> dict[str, dict[str, Any]]:
    choice.rest.pop("message", None)
    if message is None:
        return {}
    message.rest.pop("role", None)
    for name in [name for name, value in message.rest.items() if not value and name in _SPOKEN]:
        del message.rest[name]
    return message.extensions(FORMAT)


def take_stop_sequence(choice: Fields) -> str | None:
    """vLLM's stop_reason; a token's number stays as it is."""
    return choice.text("stop_reason") if type(choice.rest.get("stop_reason")) is str else None


def encode(result: ChatResult) -> bytes:
    """Raises UnsupportedFeature for a part of an answer that this format has no place for."""
    known: dict[str, Any] = {
        "id": result.id,
        "object": "chat.completion",
        "created": result.created,
        "model": result.model,
        "choices": [_encode_choice(choice) for choice in result.choices],
    }
    if result.usage is not None:
        known["usage"] = encode_usage(result.usage, FORMAT)
    return msgspec.json.encode(merge(known, result.extensions.get(FORMAT)))


def _encode_choice(choice: Choice) -> dict[str, Any]:
    kept = choice.extensions.get(FORMAT, {})
    spoken = {"role": "assistant", "content": None, "refusal": None, **encode_answer(choice.message.content)}
    if spoken["content"] == "":
        spoken["content"] = None
    known: dict[str, Any] = {
        "index": choice.index,
        "message": merge(spoken, choice.message.extensions.get(FORMAT)),
        "logprobs": encode_logprobs(choice.logprobs),
        "finish_reason": encode_finish(choice.finish_reason, kept),
    }
    if known["logprobs"] is None and "logprobs" in kept:
        del known["logprobs"]
    if choice.stop_sequence is not None:
        known["stop_reason"] = choice.stop_sequence
    return merge(known, kept)
