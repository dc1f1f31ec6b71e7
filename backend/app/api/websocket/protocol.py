"""uvicorn's WebSocket connection, with bounds on a peer that does not read; the application chooses its end."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from app.api.asgi import CLOSES_ITSELF

MOST_FRAGMENTS = 1024
MOST_UNSENT = 256 * 1024
"""Bytes that wait for a peer which sends pings and reads no pong."""


class Connection(WebSocketsSansIOProtocol):
    _linger: asyncio.TimerHandle | None = None

    async def send(self, message: Any) -> None:
        """Raises ClientDisconnected also when this side closed for the peer's fault: the application did nothing
        wrong then, though uvicorn says so.
        """
        await self.writable.wait()
        if self.handshake_complete and self.close_sent:
            raise ClientDisconnected
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            # A refusal is a complete handshake; uvicorn would log an error.
            self.handshake_complete = True

    def shutdown(self) -> None:
        scope = cast("dict[str, Any]", getattr(self, "scope", {}))
        if not (self.handshake_complete and scope.get("state", {}).get(CLOSES_ITSELF)):
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._linger is not None:
            self._linger.cancel()

    def keepalive_timeout(self) -> None:
        """Closing would wait until the peer has read what is under way, and it reads nothing."""
        super().keepalive_timeout()
        self.transport.abort()

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        if not self.disconnected:
            self._linger = self.loop.call_later(self.close_timeout, self.transport.abort)

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.transport.get_write_buffer_size() > MOST_UNSENT:
            self.transport.abort()

    def handle_cont(self, event: Frame) -> None:
        """The library bounds the bytes of a message, and empty fragments have none."""
        if len(self.frames) >= MOST_FRAGMENTS:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)
