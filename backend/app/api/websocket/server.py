"""How the HTTP server is to speak WebSocket: limits, keep-alive, and a protocol that is imported on first use."""

import asyncio
from typing import Any

PING_SECONDS = 20.0
"""Between two pings, and for the answer to one: a peer that reads nothing is let go after twice that."""


def uvicorn_options(frame_bytes: int) -> dict[str, Any]:
    """Arguments of uvicorn.Config. A larger message than `frame_bytes` closes its socket with 1009.

    Nothing is compressed: frames are about a token, and what is tiny only grows by it.
    """
    return {
        "ws": _connection,
        "ws_max_size": frame_bytes,
        "ws_ping_interval": PING_SECONDS,
        "ws_ping_timeout": PING_SECONDS,
        "ws_per_message_deflate": False,
    }


def _connection(**parts: Any) -> asyncio.Protocol:
    """uvicorn calls what it takes for a class. Whoever opens no WebSocket does without the library."""
    from app.api.websocket.protocol import Connection

    return Connection(**parts)
