"""R7: two hundred answers under way when SIGTERM comes all finish, in each front-end; then the exit code is 0.

gRPC's share of it is in backend/tests/grpc/test_server.py.
"""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.servers.asking import CHAT, MESSAGES
from tests.servers.echo_peer import echo_peer
from tests.servers.platform_process import platform_process
from tests.servers.raw_client import request_bytes

ANSWERS = 200
A_SOCKET = 10
FIRST_WORD = "What"

Finish = Callable[[], Awaitable[None]]


async def _over_rest(port: int, stack: AsyncExitStack) -> list[Finish]:
    """Starts them all; each has its first word when this returns."""
    body = json.dumps({"model": "echo", "messages": MESSAGES, "stream": True}).encode()

    async def start() -> Finish:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        writer.write(request_bytes(CHAT, body))
        await reader.readuntil(b'"content": "What"')

        async def finish() -> None:
            await reader.readuntil(b"data: [DONE]")

        return finish

    return await asyncio.gather(*(start() for _ in range(ANSWERS)))


async def _over_websockets(port: int, stack: AsyncExitStack) -> list[Finish]:
    async def start() -> Finish:
        socket = await stack.enter_async_context(connect(f"ws://127.0.0.1:{port}/ws/chat"))
        for number in range(A_SOCKET):
            await socket.send(json.dumps({"id": str(number), "model": "echo", "messages": MESSAGES}))
        await _until(socket, A_SOCKET, lambda frame: FIRST_WORD in frame.get("message", ""))
        return lambda: _until(socket, A_SOCKET, lambda frame: frame["type"] == "done")

    return await asyncio.gather(*(start() for _ in range(ANSWERS // A_SOCKET)))


async def _over_graphql(port: int, stack: AsyncExitStack) -> list[Finish]:
    query = (
        'subscription { generate(model: "echo", prompt: "What is it?") { __typename ... on TextDelta { text } } }'
    )

    async def start() -> Finish:
        socket = await stack.enter_async_context(
            connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=["graphql-transport-ws"])  # type: ignore[list-item]
        )
        await socket.send(json.dumps({"type": "connection_init"}))
        await _until(socket, 1, lambda frame: frame["type"] == "connection_ack")
        for number in range(A_SOCKET):
            await socket.send(json.dumps({"id": str(number), "type": "subscribe", "payload": {"query": query}}))
        await _until(socket, A_SOCKET, lambda frame: FIRST_WORD in json.dumps(frame))
        return lambda: _until(socket, A_SOCKET, lambda frame: frame["type"] == "complete")

    return await asyncio.gather(*(start() for _ in range(ANSWERS // A_SOCKET)))


async def _until(socket: ClientConnection, count: int, wanted: Callable[[dict[str, str]], bool]) -> None:
    """Reads until `count` frames were `wanted`; an error frame is a failure."""
    while count:
        frame = json.loads(await socket.recv())
        assert frame["type"] != "error", frame
        count -= wanted(frame)


@pytest.mark.parametrize("start", [_over_rest, _over_websockets, _over_graphql])
async def test_two_hundred_answers_under_way_finish(
    tmp_path: Path, start: Callable[[int, AsyncExitStack], Awaitable[list[Finish]]]
) -> None:
    hold = asyncio.Event()
    async with echo_peer(hold=hold) as peer, AsyncExitStack() as stack, asyncio.timeout(60):
        (tmp_path / "llm-platform.yaml").write_text(
            f'integrations: {{peer: {{kind: openai_compatible, settings: {{base_url: "{peer.url}"}}}}}}\n'
        )
        platform = await stack.enter_async_context(platform_process(tmp_path))
        finishing = await start(platform.port, stack)
        platform.process.send_signal(signal.SIGTERM)
        await _refuses(platform.port)
        hold.set()
        await asyncio.gather(*(finish() for finish in finishing))
        assert await platform.process.wait() == 0


async def _refuses(port: int) -> None:
    """Wait until no new connection is taken: the end has begun."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        writer.close()
        await asyncio.sleep(0.01)
