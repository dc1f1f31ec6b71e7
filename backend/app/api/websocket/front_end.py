"""WebSockets as an integration: it shows in the status, can be switched off, and drains."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from app.api.websocket.socket import Socket
from app.core.integration_framework import BaseIntegration, IntegrationConfig

FAREWELL = 0.5
"""Seconds in which clients are told that their time is up, before the server cuts them off."""

SHUTDOWN_SECONDS = 5.0
"""What answers under way have when only this front-end is shut down."""


class WebSocketApi(BaseIntegration):
    """Keeps account of the sockets that were opened through it."""

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self.stopping = False
        self._sockets: set[Socket] = set()
        self._left = asyncio.Event()

    async def initialize(self) -> None:
        return None

    async def health_check(self) -> None:
        return None

    async def shutdown(self) -> None:
        await self.drain(SHUTDOWN_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Returns when every socket is closed; after `seconds` what is still under way is broken off."""
        self.stopping = True
        for socket in tuple(self._sockets):
            socket.drain()
        if not await self._empty(max(0.0, seconds - FAREWELL)):
            for socket in tuple(self._sockets):
                socket.stop()
            await self._empty(FAREWELL)

    @contextmanager
    def holding(self, socket: Socket) -> Iterator[None]:
        self._sockets.add(socket)
        try:
            yield
        finally:
            self._sockets.discard(socket)
            self._left.set()

    async def _empty(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while self._sockets:
                    self._left.clear()
                    await self._left.wait()
        except TimeoutError:
            return False
        return True
