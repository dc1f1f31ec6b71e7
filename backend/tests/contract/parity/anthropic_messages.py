"""POST /v1/messages as a caller sees it."""

import json
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import httpx

from app.domain.chat import ChatRequest, Message
from tests.contract.parity.http_client import events, named, posted, whole
from tests.contract.parity.outcome import (
    NO_DEADLINE,
    Answer,
    Argued,
    Asking,
    Called,
    Ended,
    Fault,
    Piece,
    Text,
    Thought,
    Used,
)
from tests.contract.parity.request_parts import calls, functions, results, texts

PATH = "/v1/messages"
WORDS = {
    "invalid_request_error": "invalid",
    "authentication_error": "unauthenticated",
    "not_found_error": "not_found",
    "rate_limit_error": "rate_limited",
    "billing_error": "rate_limited",
    "api_error": "server",
    "overloaded_error": "server",
    "timeout_error": "timeout",
}
STATUS = {
    "invalid": {400},
    "too_long": {400},
    "unauthenticated": {401},
    "not_found": {404},
    "rate_limited": {400, 429},
    "server": {500, 529},
    "timeout": {504},
}
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class AnthropicMessages:
    def __init__(self, client: httpx.AsyncClient, *, streams: bool) -> None:
        self.name = "Anthropic, streamed" if streams else "Anthropic"
        self.streams = streams
        self.lacks = NO_DEADLINE | {"unknown usage": "usage is required, and reads 0 where it is not known"}
        self._client = client

    async def ask(self, asking: Asking) -> Answer:
        body = _body(asking.request) | ({"stream": True} if self.streams else {})
        async with posted(self._client, PATH, body, asking, _fault) as reply:
            if not self.streams:
                for piece in _whole(await whole(reply)):
                    yield piece
                return
            async with aclosing(events(reply)) as told:
                start: dict[str, Any] = {}
                async for event in told:
                    if event["type"] == "message_start":
                        start = event["message"]["usage"]
                    for piece in _event(event, start):
                        yield piece


def _fault(status: int, body: Any, retry_after: float | None) -> Fault:
    found = _under_way(body["error"], retry_after)
    assert status in STATUS[found.word], (status, body)
    return found


def _under_way(error: dict[str, Any], retry_after: float | None = None) -> Fault:
    """Agents know a prompt that is too long by its words alone."""
    too_long = error["message"].startswith("prompt is too long")
    return Fault("too_long" if too_long else WORDS[error["type"]], retry_after)


def _whole(answer: dict[str, Any]) -> Iterator[Piece]:
    for index, block in enumerate(answer["content"]):
        yield from _block(index, block)
        if block["type"] == "tool_use":
            yield Argued(index, json.dumps(block["input"]))
    yield Ended(REASONS[answer["stop_reason"]])
    yield _used(answer["usage"])


def _block(index: int, block: dict[str, Any]) -> Iterator[Piece]:
    if block["type"] == "tool_use":
        yield Called(index, block["id"], block["name"])
    elif block["type"] == "thinking":
        yield Thought(block["thinking"])
    elif block["text"]:
        yield Text(block["text"])


def _event(event: dict[str, Any], start: dict[str, Any]) -> Iterator[Piece]:
    """`start`: the usage that the stream began with; later figures take the place of earlier ones."""
    match event["type"]:
        case "content_block_start":
            yield from _block(event["index"], event["content_block"])
        case "content_block_delta":
            delta = event["delta"]
            if delta["type"] == "text_delta":
                yield Text(delta["text"])
            elif delta["type"] == "thinking_delta":
                yield Thought(delta["thinking"])
            elif delta["type"] == "input_json_delta":
                yield Argued(event["index"], delta["partial_json"])
        case "message_delta":
            yield Ended(REASONS[event["delta"]["stop_reason"]])
            yield _used({**start, **event["usage"]})
        case "error":
            raise _under_way(event["error"])


def _used(usage: dict[str, Any]) -> Used:
    """`input_tokens` leaves out what came from a cache."""
    cached = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    return Used(usage["input_tokens"] + cached + written, usage["output_tokens"], cached)


def _body(request: ChatRequest) -> dict[str, object]:
    sampling, form = request.sampling, request.response_format
    system = [texts(message.content) for message in request.messages if message.role == "system"]
    schema = form and {"type": "json_schema", "schema": form.schema}
    return named(
        {
            "model": request.model,
            "max_tokens": sampling.max_output_tokens,
            "system": "".join(system),
            "messages": [_message(message) for message in request.messages if message.role != "system"],
            "tools": [{"name": tool.name, "input_schema": tool.parameters} for tool in functions(request)],
            "stop_sequences": sampling.stop,
            "temperature": sampling.temperature,
            "output_config": named({"effort": request.reasoning_effort, "format": schema}),
        }
    )


def _message(message: Message) -> dict[str, object]:
    said = texts(message.content)
    content: list[dict[str, object]] = [{"type": "text", "text": said}] if said else []
    for call in calls(message.content):
        arguments = json.loads(call.arguments)
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    for result in results(message):
        answer = texts(result.content)
        content.append({"type": "tool_result", "tool_use_id": result.call_id, "content": answer})
    return {"role": "user" if message.role == "tool" else message.role, "content": content}
