"""A request that is small enough to wait until it is whole, as an ASGI application sees it."""

import asyncio
import logging
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class _NobodyWaits:
    """The event of a cycle that has nothing to wait for."""

    def set(self) -> None:
        pass


_NOBODY_WAITS = _NobodyWaits()


class ShortCycle(RequestResponseCycle):
    """A request whose application runs once all of it is here. uvicorn's own begins with the head, and has an
    event and a buffer for what follows. (docs/adr/0002)
    """

    logger = access_logger = logging.getLogger("uvicorn.error")
    access_log = False
    disconnected = waiting_for_100_continue = more_body = False
    response_started = response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    _told = False
    message_event: Any = _NOBODY_WAITS

    def __init__(self, protocol: HttpToolsProtocol, whole: bytes) -> None:
        self._whole = whole
        self.scope = scope = protocol.scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.default_headers = protocol.server_state.default_headers
        self.on_response = protocol.on_response_complete
        self.keep_alive = protocol.parser.should_keep_alive()
        scope["method"] = protocol.parser.get_method().decode("ascii")
        root, url = protocol.root_path, protocol.url
        split = _known_split if len(url) <= _KNOWN else _split
        scope["path"], scope["raw_path"], scope["query_string"] = split(root, url)

    async def receive(self) -> Any:
        """The body; whoever asks again hears when the client has left, or is answered."""
        if not self._told:
            self._told = True
            self.flow.resume_reading()  # paused where another request came behind; the client's end is read, too
            whole, self._whole = self._whole, b""
            return {"type": "http.request", "body": whole, "more_body": False}
        if not (self.disconnected or self.response_complete):
            if self.message_event is _NOBODY_WAITS:
                self.message_event = asyncio.Event()
            await self.message_event.wait()
        return {"type": "http.disconnect"}


def _split(root: str, url: bytes) -> tuple[str, bytes, bytes]:
    """The path as text and as it was sent, and the query."""
    parsed = httptools.parse_url(url)
    path = parsed.path.decode("ascii")
    return root + (unquote(path) if "%" in path else path), root.encode("ascii") + parsed.path, parsed.query or b""


_KNOWN = 128
"""Bytes of an address that is remembered: there is no end to longer ones."""

_known_split = lru_cache(maxsize=1024)(_split)
