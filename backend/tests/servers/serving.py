"""Serve an ASGI application on a free port, with the HTTP protocol that the platform uses."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from app.api.rest.protocol import protocol_class


@asynccontextmanager
async def serving(
    app: ASGIApp, *, header_seconds: float = 10.0, send_buffer: int | None = None, **options: Any
) -> AsyncIterator[int]:
    """Yields the port. Connections that are open at the end are closed after a second.

    `options` are of uvicorn.Config, for example how it speaks WebSocket. `send_buffer`: bytes that the kernel may
    hold for a client that does not read.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if send_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        config = uvicorn.Config(
            app,
            http=protocol_class(header_seconds),
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            **{"ws": "none", "timeout_graceful_shutdown": 1, **options},
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await server.up.wait()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    def install_signal_handlers(self) -> None:
        return
