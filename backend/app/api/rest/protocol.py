"""uvicorn's HTTP protocol with what it lacks: a time limit on headers, and JSON for a broken request."""

import asyncio
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.lane import Lane, open_lane
from app.core.batched_writes import BatchedTransport
from app.domain.errors import InvalidRequest
from app.wire.openai_chat import errors


class GuardedProtocol(HttpToolsProtocol):
    """Closes a connection whose request head is not there `header_seconds` after connecting or its first byte."""

    header_seconds = 10.0
    _head_timer: asyncio.TimerHandle | None = None
    _lanes: tuple[Lane, ...] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(BatchedTransport(transport, self.loop))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)
        for lane in self._lanes:
            lane.left()

    def on_message_begin(self) -> None:
        if self._head_timer is None:
            self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            # Requests that came in a pipeline wait behind one another, so there may be several.
            self._lanes = (
                *(lane for lane in self._lanes if not lane.done),
                open_lane(cast(Scope, self.scope), self.cycle),
            )

    def send_400_response(self, msg: str) -> None:
        _, body = errors.encode(InvalidRequest("This is not a valid HTTP/1.1 request.", code="invalid_http"))
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.header_seconds, self._too_slow)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def protocol_class(header_seconds: float) -> type[Any]:
    """The protocol with its limit; uvicorn takes a class, not an instance."""
    return type("LimitedProtocol", (GuardedProtocol,), {"header_seconds": header_seconds})
