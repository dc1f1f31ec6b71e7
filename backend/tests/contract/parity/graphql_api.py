"""generateText by POST, and the subscription generate over graphql-transport-ws, as a caller sees them."""

import json
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.domain.chat import Message
from tests.contract.parity.http_client import key_headers, named, posted, whole
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

WORDS = {
    "INVALID_ARGUMENT": "invalid",
    "OUT_OF_RANGE": "too_long",
    "UNIMPLEMENTED": "invalid",
    "UNAUTHENTICATED": "unauthenticated",
    "NOT_FOUND": "not_found",
    "RESOURCE_EXHAUSTED": "rate_limited",
    "DEADLINE_EXCEEDED": "timeout",
    "UNAVAILABLE": "server",
    "DATA_LOSS": "server",
    "FAILED_PRECONDITION": "server",
    "INTERNAL": "server",
}
FORBIDDEN = 4403
_SIGNATURE = "($model: String!, $messages: [MessageInput!], $options: GenerationOptions)"
_ARGUMENTS = "(model: $model, messages: $messages, options: $options)"
_END = "finishReason usage { inputTokens outputTokens cachedTokens }"
MUTATION = f"""mutation {_SIGNATURE} {{
  generateText{_ARGUMENTS} {{ text reasoning toolCalls {{ id name arguments }} {_END} }}
}}"""
SUBSCRIPTION = f"""subscription {_SIGNATURE} {{
  generate{_ARGUMENTS} {{
    kind: __typename
    ... on TextDelta {{ text }}
    ... on ReasoningDelta {{ text }}
    ... on ToolCallStarted {{ index id name }}
    ... on ToolCallDelta {{ index arguments }}
    ... on Done {{ {_END} }}
  }}
}}"""


class GenerateText:
    name = "GraphQL generateText"
    streams = False

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.lacks = NO_DEADLINE
        self._client = client

    async def ask(self, asking: Asking) -> Answer:
        body = {"query": MUTATION, "variables": _variables(asking)}
        sent = Asking(request=asking.request, key=asking.key, pieces=asking.pieces)
        async with posted(self._client, "/graphql", body, sent, _refused) as reply:
            answer = await whole(reply)
        if "errors" in answer:
            raise _fault(answer["errors"])
        told = answer["data"]["generateText"]
        if told["reasoning"]:
            yield Thought(told["reasoning"])
        if told["text"]:
            yield Text(told["text"])
        for index, call in enumerate(told["toolCalls"]):
            yield Called(index, call["id"], call["name"])
            yield Argued(index, call["arguments"])
        for piece in _end(told):
            yield piece


class Generate:
    name = "GraphQL generate"
    streams = True

    def __init__(self, port: int) -> None:
        self.lacks = NO_DEADLINE
        self._url = f"ws://127.0.0.1:{port}/graphql"

    async def ask(self, asking: Asking) -> Answer:
        subprotocol = Subprotocol("graphql-transport-ws")
        async with connect(
            self._url,
            subprotocols=[subprotocol],
            additional_headers=key_headers(asking),
            max_size=None,
            proxy=None,
        ) as socket:
            try:
                async with aclosing(_subscribed(socket, asking)) as pieces:
                    async for piece in pieces:
                        yield piece
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == FORBIDDEN:
                    raise Fault("unauthenticated") from None
                raise


async def _subscribed(socket: ClientConnection, asking: Asking) -> Answer:
    await socket.send(json.dumps({"type": "connection_init"}))
    assert json.loads(await socket.recv())["type"] == "connection_ack"
    operation = {"query": SUBSCRIPTION, "variables": _variables(asking)}
    text = json.dumps({"type": "subscribe", "id": "1", "payload": operation}, ensure_ascii=False)
    await socket.send(list(text) if asking.pieces else text)
    try:
        async for message in socket:
            told = json.loads(message)
            if told["type"] == "complete":
                return
            errors = told["payload"] if told["type"] == "error" else told["payload"].get("errors")
            if errors:
                raise _fault(errors)
            for piece in _event(told["payload"]["data"]["generate"]):
                yield piece
    except BaseException as left:
        if not isinstance(left, Fault | ConnectionClosed):
            await socket.send(json.dumps({"type": "complete", "id": "1"}))
        raise


def _refused(status: int, body: Any, retry_after: float | None) -> Fault:
    """A request that was refused as a whole: Retry-After stands in the body too."""
    found = _fault(body["errors"])
    assert (status, found.word) in {(401, "unauthenticated"), (400, "invalid")}
    return found


def _fault(errors: list[dict[str, Any]]) -> Fault:
    """A limit of a provider is told as its fault, by its name."""
    told = errors[0]["extensions"]
    word = "server" if told["code"] == "RESOURCE_EXHAUSTED" and "provider" in told else WORDS[told["code"]]
    return Fault(word, told.get("retryAfter"))


def _event(event: dict[str, Any]) -> Iterator[Piece]:
    match event["kind"]:
        case "TextDelta":
            yield Text(event["text"])
        case "ReasoningDelta":
            yield Thought(event["text"])
        case "ToolCallStarted":
            yield Called(event["index"], event["id"], event["name"])
        case "ToolCallDelta":
            yield Argued(event["index"], event["arguments"])
        case "Done":
            yield from _end(event)


def _end(told: dict[str, Any]) -> Iterator[Piece]:
    yield Ended(told["finishReason"].lower())
    if usage := told["usage"]:
        yield Used(usage["inputTokens"], usage["outputTokens"], usage["cachedTokens"])


def _variables(asking: Asking) -> dict[str, object]:
    request = asking.request
    sampling, form = request.sampling, request.response_format
    options = {
        "temperature": sampling.temperature,
        "maxOutputTokens": sampling.max_output_tokens,
        "stop": sampling.stop,
        "tools": [{"name": tool.name, "parameters": tool.parameters} for tool in functions(request)],
        "responseFormat": form and {"name": form.name, "schema": form.schema},
        "reasoningEffort": request.reasoning_effort,
    }
    messages = [each for message in request.messages for each in _messages(message)]
    return named({"model": request.model, "messages": messages, "options": {**named(options), **asking.wrong}})


def _messages(message: Message) -> Iterator[dict[str, object]]:
    for result in results(message):
        yield {"role": "TOOL", "toolCallId": result.call_id, "content": texts(result.content)}
    if message.role != "tool":
        asked = [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls(message.content)
        ]
        said = texts(message.content)
        yield {"role": message.role.upper(), **named({"content": said, "toolCalls": asked})}
