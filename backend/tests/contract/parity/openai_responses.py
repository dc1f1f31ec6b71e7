"""POST /v1/responses as a caller sees it."""

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import httpx

from app.domain.chat import ChatRequest, Message
from tests.contract.parity.http_client import events, named, posted, whole
from tests.contract.parity.openai_errors import fault, under_way
from tests.contract.parity.outcome import (
    NO_DEADLINE,
    Answer,
    Argued,
    Asking,
    Called,
    Ended,
    Piece,
    Text,
    Thought,
    Used,
)
from tests.contract.parity.request_parts import calls, functions, results, texts

REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


class OpenAIResponses:
    def __init__(self, client: httpx.AsyncClient, *, streams: bool) -> None:
        self.name = "Responses, streamed" if streams else "Responses"
        self.streams = streams
        self.lacks = NO_DEADLINE | {"stop": "the format has no stop sequences"}
        self._client = client

    async def ask(self, asking: Asking) -> Answer:
        body = {**_body(asking.request), "stream": self.streams, "store": False}
        async with posted(self._client, "/v1/responses", body, asking, fault) as reply:
            if not self.streams:
                answer = await whole(reply)
                for piece in (*_output(answer), *_end(answer)):
                    yield piece
                return
            async with aclosing(events(reply)) as told:
                async for event in told:
                    for piece in _event(event):
                        yield piece


def _output(answer: dict[str, Any]) -> Iterator[Piece]:
    for index, item in enumerate(answer["output"]):
        if item["type"] == "function_call":
            yield Called(index, item["call_id"], item["name"])
            yield Argued(index, item["arguments"])
        for part in item.get("content") or ():
            yield Thought(part["text"]) if item["type"] == "reasoning" else Text(part["text"])


def _end(answer: dict[str, Any]) -> Iterator[Piece]:
    """Calls have no reason of their own in this format."""
    called = any(item["type"] == "function_call" for item in answer["output"])
    if answer["status"] == "incomplete":
        yield Ended(REASONS[answer["incomplete_details"]["reason"]])
    else:
        assert answer["status"] == "completed"
        yield Ended("tool_calls" if called else "stop")
    if usage := answer["usage"]:
        cached = usage["input_tokens_details"]["cached_tokens"]
        yield Used(usage["input_tokens"], usage["output_tokens"], cached)


def _event(event: dict[str, Any]) -> Iterator[Piece]:
    match event["type"]:
        case "response.output_text.delta":
            yield Text(event["delta"])
        case "response.reasoning_text.delta":
            yield Thought(event["delta"])
        case "response.output_item.added" if event["item"]["type"] == "function_call":
            yield Called(event["output_index"], event["item"]["call_id"], event["item"]["name"])
        case "response.function_call_arguments.delta":
            yield Argued(event["output_index"], event["delta"])
        case "response.completed" | "response.incomplete":
            yield from _end(event["response"])
        case "error":
            raise under_way(event["error"])


def _body(request: ChatRequest) -> dict[str, object]:
    sampling, form = request.sampling, request.response_format
    schema = form and {"format": {"type": "json_schema", "name": form.name, "schema": form.schema}}
    return named(
        {
            "model": request.model,
            "input": [item for message in request.messages for item in _items(message)],
            "tools": [
                {"type": "function", "name": tool.name, "parameters": tool.parameters}
                for tool in functions(request)
            ],
            "temperature": sampling.temperature,
            "max_output_tokens": sampling.max_output_tokens,
            "text": schema,
            "reasoning": named({"effort": request.reasoning_effort}),
        }
    )


def _items(message: Message) -> Iterator[dict[str, object]]:
    if said := texts(message.content):
        yield {"role": message.role, "content": said}
    for call in calls(message.content):
        yield {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
    for result in results(message):
        yield {"type": "function_call_output", "call_id": result.call_id, "output": texts(result.content)}
