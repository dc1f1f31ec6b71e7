"""One question through each front-end, with headers of one's own, asked by its own kind of client."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.api.grpc.generated.llm_platform.v1.inference_pb2_grpc import InferenceStub
from tests.servers.raw_client import post
from tests.servers.whole_platform import Whole

Headers = Mapping[str, str]
Ask = Callable[[Whole, str, Headers], Awaitable[None]]
"""Of a model, with these headers. Whether it is refused is no matter here."""

SAID = "What is a pod?"
_MESSAGES = [{"role": "user", "content": SAID}]


def _http(path: str, **fields: Any) -> Ask:
    async def ask(whole: Whole, model: str, headers: Headers) -> None:
        body = {"model": model, "messages": _MESSAGES, "temperature": 0.5, "max_tokens": 64, **fields}
        await post(whole.port, path, body, dict(headers))

    return ask


async def _graphql(whole: Whole, model: str, headers: Headers) -> None:
    document = "mutation($m: String!, $p: String!) { generateText(model: $m, prompt: $p) { text } }"
    body = {"query": document, "variables": {"m": model, "p": SAID}}
    await post(whole.port, "/graphql", body, dict(headers))


async def _graphql_socket(whole: Whole, model: str, headers: Headers) -> None:
    await _subscribe(whole, model, headers, {})


async def _graphql_operation(whole: Whole, model: str, headers: Headers) -> None:
    """What is not the key goes with the operation, which has no headers of its own."""
    own = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    key = {name: value for name, value in headers.items() if name not in own}
    await _subscribe(whole, model, key, own)


async def _subscribe(whole: Whole, model: str, headers: Headers, extensions: Headers) -> None:
    document = "subscription($m: String!, $p: String!) { generate(model: $m, prompt: $p) { __typename } }"
    url = f"ws://127.0.0.1:{whole.port}/graphql"
    protocol = Subprotocol("graphql-transport-ws")
    async with connect(url, additional_headers=dict(headers), subprotocols=[protocol], proxy=None) as socket:
        await socket.send('{"type": "connection_init"}')
        await socket.recv()
        variables = {"m": model, "p": SAID}
        subscribe = {"query": document, "variables": variables, "extensions": dict(extensions)}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": subscribe}))
        while json.loads(await socket.recv())["type"] not in {"complete", "error"}:
            pass


async def _websocket(whole: Whole, model: str, headers: Headers) -> None:
    await _on_socket(whole, {"model": model, "message": SAID}, headers)


async def _websocket_frame(whole: Whole, model: str, headers: Headers) -> None:
    """What is not the key goes into the frame."""
    own = {name: value for name, value in headers.items() if name.lower() != "authorization"}
    key = {name: value for name, value in headers.items() if name not in own}
    await _on_socket(whole, {"model": model, "message": SAID, **own}, key)


async def _on_socket(whole: Whole, frame: Mapping[str, Any], headers: Headers) -> None:
    url = f"ws://127.0.0.1:{whole.port}/ws/chat"
    async with connect(url, additional_headers=dict(headers), proxy=None) as socket:
        await socket.send(json.dumps(frame))
        while json.loads(await socket.recv())["type"] not in {"done", "error"}:
            pass


async def _grpc(whole: Whole, model: str, headers: Headers) -> None:
    metadata = tuple((name.lower(), value) for name, value in headers.items())
    async with grpc.aio.insecure_channel(whole.grpc_target) as channel:
        stub: Any = InferenceStub(channel)
        try:
            await stub.ChatUnary(pb.ChatRequest(model=model, prompt=SAID), metadata=metadata)
        except grpc.aio.AioRpcError:
            return


FRONT_ENDS: Mapping[str, Ask] = {
    "REST, OpenAI": _http("/v1/chat/completions"),
    "REST, OpenAI, stream": _http("/v1/chat/completions", stream=True),
    "REST, Anthropic": _http("/v1/messages"),
    "GraphQL": _graphql,
    "GraphQL, socket": _graphql_socket,
    "GraphQL, operation on a socket": _graphql_operation,
    "gRPC": _grpc,
    "WebSocket, handshake": _websocket,
    "WebSocket, frame": _websocket_frame,
}
