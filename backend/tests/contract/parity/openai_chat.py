"""POST /v1/chat/completions as a caller sees it."""

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


class OpenAIChat:
    def __init__(self, client: httpx.AsyncClient, *, streams: bool) -> None:
        self.name = "OpenAI chat, streamed" if streams else "OpenAI chat"
        self.streams = streams
        self.lacks = NO_DEADLINE
        self._client = client

    async def ask(self, asking: Asking) -> Answer:
        body = chat_body(asking.request)
        if self.streams:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        async with posted(self._client, "/v1/chat/completions", body, asking, fault) as reply:
            if not self.streams:
                for piece in _pieces(await whole(reply), "message"):
                    yield piece
                return
            async with aclosing(events(reply)) as chunks:
                async for chunk in chunks:
                    if "error" in chunk:
                        raise under_way(chunk["error"])
                    for piece in _pieces(chunk, "delta"):
                        yield piece


def _pieces(answer: dict[str, Any], where: str) -> Iterator[Piece]:
    """Of a whole answer or of a chunk, whose calls are numbered."""
    for choice in answer["choices"]:
        said = choice[where]
        if said.get("reasoning_content"):
            yield Thought(said["reasoning_content"])
        if said.get("content"):
            yield Text(said["content"])
        for place, call in enumerate(said.get("tool_calls") or ()):
            index = call.get("index", place)
            if call.get("id"):
                yield Called(index, call["id"], call["function"]["name"])
            yield Argued(index, call["function"].get("arguments", ""))
        if choice.get("finish_reason"):
            yield Ended(choice["finish_reason"])
    if usage := answer.get("usage"):
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
        yield Used(usage["prompt_tokens"], usage["completion_tokens"], cached)


def chat_body(request: ChatRequest) -> dict[str, object]:
    sampling, form = request.sampling, request.response_format
    return named(
        {
            "model": request.model,
            "messages": [each for message in request.messages for each in _messages(message)],
            "tools": [
                {"type": "function", "function": {"name": tool.name, "parameters": tool.parameters}}
                for tool in functions(request)
            ],
            "stop": sampling.stop,
            "temperature": sampling.temperature,
            "max_completion_tokens": sampling.max_output_tokens,
            "response_format": form
            and {"type": "json_schema", "json_schema": {"name": form.name, "schema": form.schema}},
            "reasoning_effort": request.reasoning_effort,
        }
    )


def _messages(message: Message) -> Iterator[dict[str, object]]:
    for result in results(message):
        yield {"role": "tool", "tool_call_id": result.call_id, "content": texts(result.content)}
    if message.role != "tool":
        asked = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls(message.content)
        ]
        said = texts(message.content)
        yield {"role": message.role, "content": said or None, **named({"tool_calls": asked})}
