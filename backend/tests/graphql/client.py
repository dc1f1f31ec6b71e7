"""A client of graphql-transport-ws, as small as the protocol allows."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.socket.recv())
        return message

    async def subscribe(self, query: str, *, id: str = "1", variables: object = None) -> None:
        await self.send(type="subscribe", id=id, payload={"query": query, "variables": variables})

    async def until_end(self) -> list[dict[str, Any]]:
        """Every message up to the one that ends an operation."""
        found = [await self.receive()]
        while found[-1]["type"] == "next":
            found.append(await self.receive())
        return found

    async def closed(self) -> tuple[int, str]:
        """Read until the server closes; its code and reason."""
        try:
            while True:
                await self.socket.recv()
        except ConnectionClosed:
            return self.socket.close_code or 0, self.socket.close_reason or ""


@asynccontextmanager
async def dialled(
    url: str, *, protocols: tuple[str, ...] = ("graphql-transport-ws",), headers: Mapping[str, str] | None = None
) -> AsyncIterator[Client]:
    """A socket on which nothing has been said."""
    subprotocols = [Subprotocol(each) for each in protocols] or None
    async with connect(url, subprotocols=subprotocols, additional_headers=headers, max_size=None) as socket:
        yield Client(socket)


@asynccontextmanager
async def connected(
    url: str, payload: object = None, *, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Client]:
    async with dialled(url, headers=headers) as client:
        await client.send(type="connection_init", payload=payload)
        assert await client.receive() == {"type": "connection_ack"}
        yield client
