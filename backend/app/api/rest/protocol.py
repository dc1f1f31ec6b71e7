"""uvicorn's HTTP protocol with what it lacks: a time limit on heads, JSON for a broken request, and a short way
for requests that are small and come one by one.
"""

import asyncio
from collections.abc import Mapping
from math import inf
from typing import Any, cast

from httptools import HttpParserError
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.lane import Lane, open_lane
from app.api.rest.short_cycle import ShortCycle
from app.core.batched_writes import BatchedTransport
from app.domain.errors import InvalidRequest
from app.wire.openai_chat import errors

_DIGITS = len(str(HIGH_WATER_LIMIT))
_LONG = (b"transfer-encoding", b"expect")


class GuardedProtocol(HttpToolsProtocol):
    """Closes a connection whose request head is not there `header_seconds` after connecting or its first byte.

    A small request waits as long until it is whole (`_whole`: what is here of its body), and goes uvicorn's way if
    it is not. No request arms a timer of its own if it comes in one piece: those that are there look whether they
    are still wanted when they go off.
    """

    header_seconds = 10.0
    _timer: asyncio.TimerHandle | None = None
    _unfinished = True
    _whole: bytes | None = None
    _idle_since = inf
    _lanes: tuple[Lane, ...] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(BatchedTransport(transport, self.loop))
        self._await_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        super().connection_lost(exc)
        for lane in self._lanes:
            lane.left()

    def handle_websocket_upgrade(self) -> None:
        self._stop_timers()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._unfinished and self._timer is None:
            self._await_rest()

    def on_message_begin(self) -> None:
        self._unfinished = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._is_short(dict(self.headers)):
            self._whole = b""
        else:
            self._begin(None)

    def on_body(self, body: bytes) -> None:
        if self._whole is None:
            super().on_body(body)
        else:
            self._whole += body

    def on_message_complete(self) -> None:
        if self._whole is None:
            super().on_message_complete()
            return
        whole, self._whole = self._whole, None
        self._arrived()
        self.cycle = cycle = ShortCycle(self, whole)
        self._lanes = (open_lane(cast(Scope, self.scope), cycle),)
        self._start_asgi_task(cycle, self.app)

    def shutdown(self) -> None:
        self._wait_no_longer()
        super().shutdown()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._await_request(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        idle = max(0.0, self.loop.time() - self._idle_since)
        if idle < self.timeout_keep_alive:
            self._await_request(self.timeout_keep_alive - idle)
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        _, body = errors.encode(InvalidRequest("This is not a valid HTTP/1.1 request.", code="invalid_http"))
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        self.transport.close()

    def _is_short(self, fields: Mapping[bytes, bytes]) -> bool:
        """Whether it may wait until it is whole: it will soon be, and nothing is under way before it."""
        length = fields.get(b"content-length", b"0")
        return (
            (self.cycle is None or self.cycle.response_complete)
            and len(length) <= _DIGITS
            and int(length) <= HIGH_WATER_LIMIT
            and fields.keys().isdisjoint(_LONG)
            and not self.parser.should_upgrade()
            and self.parser.get_http_version() == "1.1"
        )

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = inf

    def _await_request(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _begin(self, body: bytes | None) -> None:
        """Uvicorn's way: the application is told of the request while the rest of it is on its way."""
        self._arrived()
        self.expect_100_continue = dict(self.headers).get(b"expect", b"").lower() == b"100-continue"
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:
            # Requests that came in a pipeline wait behind one another, so there may be several.
            self._lanes = (
                *(lane for lane in self._lanes if not lane.done),
                open_lane(cast(Scope, self.scope), self.cycle),
            )
        if body:
            super().on_body(body)

    def _wait_no_longer(self) -> None:
        """For the rest of a small request."""
        whole, self._whole = self._whole, None
        if whole is not None and not self.transport.is_closing():
            try:
                self._begin(whole)
            except HttpParserError:
                self.send_400_response("")

    def _await_rest(self) -> None:
        self._timer = self.loop.call_later(self.header_seconds, self._too_slow)

    def _arrived(self) -> None:
        self._unfinished = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_timers(self) -> None:
        self._arrived()
        self._whole = None
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def _too_slow(self) -> None:
        if self._whole is not None:
            self._wait_no_longer()
        elif not self.transport.is_closing():
            self.transport.close()


def protocol_class(header_seconds: float) -> type[Any]:
    """The protocol with its limit; uvicorn takes a class, not an instance."""
    return type("LimitedProtocol", (GuardedProtocol,), {"header_seconds": header_seconds})
