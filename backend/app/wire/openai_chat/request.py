"""Chat requests: https://platform.openai.com/docs/api-reference/chat/create"""

from typing import Any

import msgspec

from app.domain.chat import ChatRequest, Message, ReasoningPart, ToolResult
from app.wire.fields import RequestFields, merge
from app.wire.json_text import parse_request
from app.wire.openai_chat import FORMAT
from app.wire.openai_chat.head import ChatHead, peek
from app.wire.openai_chat.messages import REASONING_FIELDS, decode_message, encode_message
from app.wire.openai_chat.plain_request import decode_plain
from app.wire.openai_chat.sampling import (
    DEFAULT_PROFILE,
    LIMIT_FIELDS,
    Profile,
    decode_sampling,
    encode_sampling,
    take_include_usage,
)
from app.wire.openai_chat.tools import (
    decode_response_format,
    decode_tool,
    decode_tool_choice,
    encode_response_format,
    encode_tool,
    encode_tool_choice,
)
from app.wire.splice import splice

__all__ = ["FORMAT", "ChatHead", "Profile", "decode", "encode", "peek", "splice"]


def decode(body: bytes) -> ChatRequest:
    """Raises InvalidRequest, with the dotted path of the field at fault in `param`."""
    return decode_plain(body) or decode_any(body)


def decode_any(body: bytes) -> ChatRequest:
    fields = RequestFields(parse_request(body))
    messages = tuple(decode_message(message) for message in fields.items("messages"))
    if not messages:
        raise fields.wrong("messages", "an array with at least one message")
    sampling = decode_sampling(
        fields,
        max_output_tokens=_take_limit(fields),
        logprobs=fields.switch("logprobs"),
        top_logprobs=fields.integer("top_logprobs"),
    )
    return ChatRequest(
        model=fields.required_text("model"),
        messages=messages,
        sampling=sampling,
        tools=tuple(decode_tool(tool) for tool in fields.items("tools")),
        tool_choice=decode_tool_choice(fields),
        parallel_tool_calls=fields.flag("parallel_tool_calls"),
        response_format=decode_response_format(fields),
        reasoning_effort=fields.text("reasoning_effort"),
        user=fields.text("user"),
        stream=fields.switch("stream"),
        include_usage=take_include_usage(fields),
        extensions=fields.extensions(FORMAT),
    )


def _take_limit(fields: RequestFields) -> int | None:
    """The newer name counts where both are given; which names were used stays, so that they are given back."""
    limits = [(name, fields.rest[name]) for name in LIMIT_FIELDS if fields.rest.get(name) is not None]
    for name, _ in limits:
        fields.integer(name)
    for name, value in limits:
        fields.rest[name] = value
    return limits[0][1] if limits else None


def encode(request: ChatRequest, *, profile: Profile = DEFAULT_PROFILE, dropped: list[str] | None = None) -> bytes:
    """`dropped` is told the fields that `profile` or this format has no place for.

    Raises UnsupportedFeature where leaving something out would change what was asked.
    """
    missed = [] if dropped is None else dropped
    known: dict[str, Any] = {"model": request.model, "messages": _encode_messages(request, profile, missed)}
    if request.stream:
        known["stream"] = True
    if request.include_usage:
        known["stream_options"] = {"include_usage": True}
    known.update(_encode_sampling(request, profile, missed))
    known.update(_encode_tools(request))
    if request.reasoning_effort is not None:
        known["reasoning_effort"] = request.reasoning_effort
    if request.user is not None:
        known["user"] = request.user
    return msgspec.json.encode(merge(known, request.extensions.get(FORMAT)))


def _encode_sampling(request: ChatRequest, profile: Profile, missed: list[str]) -> dict[str, Any]:
    sampling = request.sampling
    known = encode_sampling(sampling, profile, missed)
    limit = sampling.max_output_tokens
    if limit is not None:
        kept = request.extensions.get(FORMAT, {})
        known[next((name for name in LIMIT_FIELDS if name in kept), profile.limit_field)] = limit
    if sampling.logprobs:
        known["logprobs"] = True
    if sampling.top_logprobs is not None:
        known["top_logprobs"] = sampling.top_logprobs
    return known


def _encode_tools(request: ChatRequest) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if request.tools:
        known["tools"] = [encode_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        known["tool_choice"] = encode_tool_choice(request.tool_choice)
    if request.parallel_tool_calls is not None:
        known["parallel_tool_calls"] = request.parallel_tool_calls
    if request.response_format is not None:
        known["response_format"] = encode_response_format(request.response_format)
    return known


def _encode_messages(request: ChatRequest, profile: Profile, missed: list[str]) -> list[dict[str, Any]]:
    messages = [encoded for message in request.messages for encoded in encode_message(message)]
    if not profile.reasoning and any([_strip_reasoning(message) for message in messages]):
        missed.append("messages.reasoning")
    if not profile.developer:
        for message in messages:
            if message["role"] == "developer":
                message["role"] = "system"
    missed.extend(_lost(request.messages))
    return messages


def _strip_reasoning(message: dict[str, Any]) -> bool:
    return any([message.pop(name, None) is not None for name in REASONING_FIELDS])


def _lost(messages: tuple[Message, ...]) -> list[str]:
    """What this format has no field for."""
    parts = [part for message in messages for part in message.content]
    lost = []
    if any([type(part) is ToolResult and part.is_error for part in parts]):
        lost.append("messages.tool_result.is_error")
    if any([type(part) is ReasoningPart and part.signature for part in parts]):
        lost.append("messages.reasoning.signature")
    return lost
