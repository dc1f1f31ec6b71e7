"""Requests for a message: https://platform.claude.com/docs/en/api/messages/create"""

from typing import Any

import msgspec

from app.domain.chat import ChatRequest, Sampling
from app.domain.errors import UnsupportedFeature
from app.wire.anthropic_messages import FORMAT
from app.wire.anthropic_messages.effort import decode_effort, encode_effort
from app.wire.anthropic_messages.head import CountHead, MessageHead, peek, peek_count
from app.wire.anthropic_messages.messages import decode_message, decode_system, encode_messages
from app.wire.anthropic_messages.tools import (
    decode_tool,
    decode_tool_choice,
    encode_tool,
    encode_tool_choice,
)
from app.wire.fields import Fields, RequestFields, merge
from app.wire.json_text import parse_request
from app.wire.splice import splice

__all__ = ["FORMAT", "CountHead", "MessageHead", "decode", "encode", "peek", "peek_count", "splice"]

DEFAULT_LIMIT = 4096
"""Tokens of an answer where the caller set no limit: this format requires one."""
_KNOBS = ("seed", "presence_penalty", "frequency_penalty", "logit_bias", "top_logprobs")


def decode(body: bytes) -> ChatRequest:
    """Raises InvalidRequest, with the dotted path of the field at fault in `param`."""
    fields = RequestFields(parse_request(body))
    messages = tuple(decode_message(message) for message in fields.items("messages"))
    if not messages:
        raise fields.wrong("messages", "an array with at least one message")
    choice, parallel = decode_tool_choice(fields)
    effort, form = decode_effort(fields)
    return ChatRequest(
        model=fields.required_text("model"),
        messages=(*decode_system(fields), *messages),
        sampling=Sampling(
            temperature=fields.number("temperature"),
            top_p=fields.number("top_p"),
            top_k=fields.integer("top_k"),
            stop=_stop(fields),
            max_output_tokens=fields.integer("max_tokens"),
        ),
        tools=tuple(decode_tool(tool) for tool in fields.items("tools")),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=form,
        reasoning_effort=effort,
        user=_user(fields),
        stream=fields.switch("stream"),
        extensions=fields.extensions(FORMAT),
    )


def _stop(fields: Fields) -> tuple[str, ...]:
    texts = fields.array("stop_sequences")
    if not all(type(text) is str for text in texts):
        raise fields.wrong("stop_sequences", "an array of strings")
    return tuple(texts)


def _user(fields: Fields) -> str | None:
    metadata = fields.child("metadata")
    if metadata is None:
        return None
    user = metadata.text("user_id")
    fields.prune("metadata")
    return user


def encode(request: ChatRequest, *, dropped: list[str] | None = None) -> bytes:
    """`dropped` is told the fields that this format has no place for.

    Raises UnsupportedFeature where leaving something out would change what was asked, and InvalidRequest where a
    tool call of an earlier turn has arguments that are no JSON object.
    """
    missed = [] if dropped is None else dropped
    sampling, kept = request.sampling, request.extensions.get(FORMAT, {})
    if sampling.n != 1:
        raise UnsupportedFeature("The model's provider gives one answer: leave n out.", param="n")
    known: dict[str, Any] = {"model": request.model, "max_tokens": sampling.max_output_tokens}
    if sampling.max_output_tokens is None:
        known["max_tokens"] = DEFAULT_LIMIT
    known.update(encode_messages(request.messages))
    known.update(_encode_sampling(sampling, missed))
    if request.tools:
        known["tools"] = [encode_tool(tool) for tool in request.tools]
    choice = encode_tool_choice(request.tool_choice, request.parallel_tool_calls)
    if choice is not None and (request.tools or request.tool_choice):
        known["tool_choice"] = choice
    known.update(encode_effort(request.reasoning_effort, request.response_format, kept, missed))
    if request.user is not None:
        known["metadata"] = {"user_id": request.user}
    if request.stream:
        known["stream"] = True
    if any([message.name is not None for message in request.messages]):
        missed.append("messages.name")
    return msgspec.json.encode(merge(known, kept))


def _encode_sampling(sampling: Sampling, missed: list[str]) -> dict[str, Any]:
    known = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "stop_sequences": list(sampling.stop) or None,
    }
    missed.extend([name for name in _KNOBS if getattr(sampling, name) is not None])
    if sampling.logprobs:
        missed.append("logprobs")
    return {name: value for name, value in known.items() if value is not None}
