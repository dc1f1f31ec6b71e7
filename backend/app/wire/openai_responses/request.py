"""Requests: https://platform.openai.com/docs/api-reference/responses/create

`instructions` become the first message. What has no place in the domain is kept. Not here: what a stored response
of before has to do with it (history.py), and which of the kept fields matter to whoever translates.
"""

from typing import Any

import msgspec

from app.domain.chat import ChatRequest, Message, Sampling, TextPart
from app.wire.fields import RequestFields, merge
from app.wire.json_text import parse_request
from app.wire.openai_responses import FORMAT
from app.wire.openai_responses.head import ResponsesHead, peek
from app.wire.openai_responses.items import decode_items, encode_message
from app.wire.openai_responses.tools import (
    decode_format,
    decode_tool,
    decode_tool_choice,
    encode_format,
    encode_tool,
    encode_tool_choice,
)
from app.wire.splice import splice

__all__ = ["FORMAT", "ResponsesHead", "decode", "encode", "peek", "splice"]

_LOGPROBS = "message.output_text.logprobs"
# Of our own making: the message stands in `instructions`, or is the whole `input`.
_INSTRUCTIONS, _INPUT = "instructions", "input"


def decode(body: bytes) -> ChatRequest:
    """Raises InvalidRequest, with the dotted path of the field at fault in `param`."""
    fields = RequestFields(parse_request(body))
    messages = (*_instructions(fields), *_input(fields))
    return ChatRequest(
        model=fields.required_text("model"),
        messages=messages,
        sampling=_sampling(fields),
        tools=tuple(decode_tool(tool) for tool in fields.items("tools")),
        tool_choice=decode_tool_choice(fields),
        parallel_tool_calls=fields.flag("parallel_tool_calls"),
        response_format=decode_format(fields),
        reasoning_effort=_effort(fields),
        user=fields.text("user"),
        stream=fields.switch("stream"),
        extensions=fields.extensions(FORMAT),
    )


def _instructions(fields: RequestFields) -> tuple[Message, ...]:
    """A list of items is the old form of a prompt's template; it is a conversation like any other."""
    if type(fields.rest.get("instructions")) is list:
        return decode_items(fields.items("instructions"))
    text = fields.text("instructions")
    if not text:
        return ()
    kept = {FORMAT: {_INSTRUCTIONS: True}}
    return (Message(role="system", content=(TextPart(text=text),), extensions=kept),)


def _input(fields: RequestFields) -> tuple[Message, ...]:
    given = fields.rest.get("input")
    if type(given) is str:
        content = (TextPart(text=fields.required_text("input")),)
        return (Message(role="user", content=content, extensions={FORMAT: {_INPUT: True}}),)
    messages = decode_items(fields.items("input"))
    if not messages and fields.rest.get("previous_response_id") is None:
        raise fields.wrong("input", "a text or an array with at least one item")
    return messages


def _sampling(fields: RequestFields) -> Sampling:
    top_logprobs = fields.integer("top_logprobs")
    included = fields.array("include")
    if included:
        fields.rest["include"] = included
    return Sampling(
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        max_output_tokens=fields.integer("max_output_tokens"),
        logprobs=_LOGPROBS in included,
        top_logprobs=top_logprobs,
    )


def _effort(fields: RequestFields) -> str | None:
    reasoning = fields.child("reasoning")
    if reasoning is None:
        return None
    effort = reasoning.text("effort")
    fields.prune("reasoning")
    return effort


def encode(request: ChatRequest, *, dropped: list[str] | None = None) -> bytes:
    """`dropped` is told the knobs that this format has no place for.

    Raises UnsupportedFeature where leaving something out would change what was asked.
    """
    known: dict[str, Any] = {"model": request.model, **_encode_messages(request.messages)}
    if request.stream:
        known["stream"] = True
    known.update(_encode_sampling(request.sampling, [] if dropped is None else dropped))
    if request.sampling.logprobs and "include" not in request.extensions.get(FORMAT, {}):
        known["include"] = [_LOGPROBS]
    known.update(_encode_tools(request))
    if request.response_format is not None:
        known["text"] = {"format": encode_format(request.response_format)}
    if request.reasoning_effort is not None:
        known["reasoning"] = {"effort": request.reasoning_effort}
    if request.user is not None:
        known["user"] = request.user
    return msgspec.json.encode(merge(known, request.extensions.get(FORMAT)))


def _encode_tools(request: ChatRequest) -> dict[str, Any]:
    known: dict[str, Any] = {}
    if request.tools:
        known["tools"] = [encode_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        known["tool_choice"] = encode_tool_choice(request.tool_choice)
    if request.parallel_tool_calls is not None:
        known["parallel_tool_calls"] = request.parallel_tool_calls
    return known


def _encode_messages(messages: tuple[Message, ...]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    items: list[dict[str, Any]] = []
    for message in messages:
        kept = message.extensions.get(FORMAT, {})
        if kept.get(_INSTRUCTIONS) is True or kept.get(_INPUT) is True:
            name = _INSTRUCTIONS if _INSTRUCTIONS in kept else _INPUT
            known[name] = "".join(part.text for part in message.content if isinstance(part, TextPart))
        else:
            items.extend(encode_message(message))
    if items or "input" not in known:
        known["input"] = items
    return known


_NO_PLACE = ("top_k", "seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias")


def _encode_sampling(sampling: Sampling, missed: list[str]) -> dict[str, Any]:
    """The knobs that are set and known here."""
    missed += [name for name in _NO_PLACE if getattr(sampling, name)]
    if sampling.n > 1:
        missed.append("n")
    known: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": sampling.max_output_tokens,
        "top_logprobs": sampling.top_logprobs,
    }
    return {name: value for name, value in known.items() if value is not None}
