"""The way out of one socket, shared by all that writes to it."""

import asyncio
from typing import Any

import msgspec
from starlette.types import Send

_encode = msgspec.json.Encoder().encode


class ClientGone(Exception):
    """Nobody is left to read."""


class Outbox:
    """Frames leave whole, in the order they were given. Sending waits while the client does not read, so whoever
    reads an upstream for it pauses too.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._turn = asyncio.Lock()
        self._closed = False

    async def send(self, frame: dict[str, Any]) -> None:
        await self.send_encoded(_encode(frame))

    async def send_encoded(self, frame: bytes) -> None:
        """Raises ClientGone."""
        await self._pass({"type": "websocket.send", "text": frame.decode()})

    async def close(self, code: int, reason: str) -> None:
        """Safe to call twice and when the client is gone."""
        try:
            await self._pass({"type": "websocket.close", "code": code, "reason": reason}, last=True)
        except ClientGone:
            return

    async def _pass(self, message: dict[str, Any], last: bool = False) -> None:
        async with self._turn:
            if self._closed:
                raise ClientGone
            self._closed = last
            try:
                await self._send(message)
            except OSError:
                # How an ASGI server says that nobody is there any more.
                self._closed = True
                raise ClientGone from None
