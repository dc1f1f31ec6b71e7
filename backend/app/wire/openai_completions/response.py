"""Whole answers: https://platform.openai.com/docs/api-reference/completions/object

A text is the message of its choice.
"""

from typing import Any

import msgspec

from app.domain.chat import ChatResult, Choice, FinishReason, Message, ReasoningPart, TextPart
from app.domain.errors import UnsupportedFeature
from app.wire.fields import AnswerFields, Fields, merge
from app.wire.json_text import parse_answer
from app.wire.openai_chat.finish import decode_finish, encode_finish
from app.wire.openai_chat.response import take_identity, take_stop_sequence, take_usage
from app.wire.openai_chat.upstream_errors import raise_error_object
from app.wire.openai_chat.usage import encode_usage
from app.wire.openai_completions import FORMAT
from app.wire.openai_completions.logprobs import encode_logprobs, take_logprobs


def decode(body: bytes, provider: str | None = None) -> ChatResult:
    """Raises ProviderProtocolError, or the error that `body` holds instead of an answer."""
    value = parse_answer(body, provider)
    raise_error_object(value, provider)
    fields = AnswerFields(value)
    id, model, created = take_identity(fields)
    if "choices" not in fields.rest:
        raise fields.wrong("choices", "an array")
    choices = tuple(_decode_choice(choice, index) for index, choice in enumerate(fields.items("choices")))
    fields.rest.pop("choices", None)
    return ChatResult(
        id=id,
        model=model,
        created=created,
        choices=choices,
        usage=take_usage(fields, FORMAT),
        extensions=fields.extensions(FORMAT),
    )


def _decode_choice(fields: Fields, position: int) -> Choice:
    index = fields.integer("index")
    text, word = fields.text("text"), fields.text("finish_reason")
    logprobs, stop_sequence = take_logprobs(fields), take_stop_sequence(fields)
    reason, kept = decode_finish(word) if word else (None, {})
    fields.rest.update(kept)
    return Choice(
        index=position if index is None else index,
        message=Message(role="assistant", content=(TextPart(text=text),) if text else ()),
        finish_reason=reason,
        stop_sequence=stop_sequence,
        logprobs=logprobs,
        extensions=fields.extensions(FORMAT),
    )


def encode(result: ChatResult) -> bytes:
    """Raises UnsupportedFeature for anything but text in an answer; thinking is left out."""
    known: dict[str, Any] = {
        "id": result.id,
        "object": "text_completion",
        "created": result.created,
        "model": result.model,
        "choices": [_encode_choice(choice) for choice in result.choices],
    }
    if result.usage is not None:
        known["usage"] = encode_usage(result.usage, FORMAT)
    return msgspec.json.encode(merge(known, result.extensions.get(FORMAT)))


def _encode_choice(choice: Choice) -> dict[str, Any]:
    kept = choice.extensions.get(FORMAT, {})
    known: dict[str, Any] = {
        "text": "".join(_texts(choice.message)),
        "index": choice.index,
        "logprobs": encode_logprobs(choice.logprobs),
        "finish_reason": encode_reason(choice.finish_reason, kept),
    }
    if choice.stop_sequence is not None:
        known["stop_reason"] = choice.stop_sequence
    return merge(known, kept)


def _texts(message: Message) -> list[str]:
    parts = [part for part in message.content if not isinstance(part, ReasoningPart)]
    if not all(isinstance(part, TextPart) for part in parts):
        raise UnsupportedFeature("A text completion can hold nothing but text.")
    return [part.text for part in parts if isinstance(part, TextPart)]


def encode_reason(reason: FinishReason | None, kept: dict[str, Any]) -> str | None:
    """Calls of tools are unknown here."""
    word = encode_finish(reason, kept)
    return "stop" if word == "tool_calls" else word
