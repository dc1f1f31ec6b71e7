"""Clients of every front-end, each of which notes an answer once it has seen the end of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import grpc
import msgspec

from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import InferenceStub

PATIENCE = aiohttp.ClientTimeout(total=15)
GONE = (aiohttp.ClientError, OSError, asyncio.TimeoutError, grpc.aio.AioRpcError, EOFError)
"""What a client meets when the platform dies."""


class Place(NamedTuple):
    """Where the platform is."""

    http: int
    grpc: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"


class Asking(NamedTuple):
    """One question. `id` is unique, and `number` what the provider will count."""

    session: aiohttp.ClientSession
    place: Place
    id: str
    number: int

    @property
    def prompt(self) -> str:
        return f"What of number {self.number}?"


Client = Callable[[Asking], Awaitable[str | None]]
"""The request's id once the end of its answer was seen; None for a refusal. Raises GONE."""


async def chat_whole(asking: Asking) -> str | None:
    return await _whole(asking, "/v1/chat/completions", _chat("openai/m", asking), '"finish_reason":')


async def chat_stream(asking: Asking) -> str | None:
    return await _streamed(asking, "/v1/chat/completions", _chat("openai/m", asking, True), "data: [DONE]")


async def chat_stream_translated(asking: Asking) -> str | None:
    return await _streamed(asking, "/v1/chat/completions", _chat("claude/m", asking, True), "data: [DONE]")


async def messages_stream(asking: Asking) -> str | None:
    body = _chat("claude/m", asking, True) | {"max_tokens": 99}
    return await _streamed(asking, "/v1/messages", body, '"message_stop"')


async def messages_stream_translated(asking: Asking) -> str | None:
    body = _chat("openai/m", asking, True) | {"max_tokens": 99}
    return await _streamed(asking, "/v1/messages", body, '"message_stop"')


async def responses_stream(asking: Asking) -> str | None:
    body = {"model": "openai/m", "input": asking.prompt, "stream": True, "store": False}
    return await _streamed(asking, "/v1/responses", body, '"response.completed"')


async def graphql(asking: Asking) -> str | None:
    query = 'mutation($p: String!) { generateText(model: "openai/m", prompt: $p) { text } }'
    return await _whole(asking, "/graphql", {"query": query, "variables": {"p": asking.prompt}}, '"text":')


async def websocket(asking: Asking) -> str | None:
    async with asking.session.ws_connect(f"{asking.place.url}/ws/chat") as socket:
        await socket.send_json({"id": 1, "model": "openai/m", "message": asking.prompt})
        async for message in socket:
            frame = message.json()
            if frame["type"] == "done":
                return str(frame["request_id"])
            if frame["type"] == "error":
                return None
    raise EOFError


async def grpc_stream(asking: Asking) -> str | None:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{asking.place.grpc}", options=options) as channel:
        request = pb.ChatRequest(model="openai/m", prompt=asking.prompt)
        call = InferenceStub(channel).Chat(request, metadata=(("x-request-id", asking.id),), timeout=15)
        finished = [event async for event in call if event.HasField("finished")]
        return asking.id if finished and await call.code() is grpc.StatusCode.OK else None


CLIENTS: tuple[Client, ...] = (
    chat_whole,
    chat_stream,
    chat_stream_translated,
    messages_stream,
    messages_stream_translated,
    responses_stream,
    graphql,
    websocket,
    grpc_stream,
)


def _chat(model: str, asking: Asking, stream: bool = False) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": asking.prompt}], "stream": stream}


async def _whole(asking: Asking, path: str, body: dict[str, Any], end: str) -> str | None:
    async with _post(asking, path, body) as response:
        text = await response.text()
        return asking.id if response.status == 200 and end in text and '"errors"' not in text else None


async def _streamed(asking: Asking, path: str, body: dict[str, Any], end: str) -> str | None:
    """Once the end is there nothing more is waited for: it may be the last that is heard of the platform."""
    async with _post(asking, path, body) as response:
        if response.status != 200:
            return None
        seen = b""
        async for chunk in _chunks(response):
            seen += chunk
            if end.encode() in seen:
                return asking.id
    return None


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk, _ in response.content.iter_chunks():
        yield chunk


def _post(asking: Asking, path: str, body: dict[str, Any]) -> Any:
    headers = {"x-request-id": asking.id, "content-type": "application/json"}
    return asking.session.post(
        asking.place.url + path, data=msgspec.json.encode(body), headers=headers, timeout=PATIENCE
    )
