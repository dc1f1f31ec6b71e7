"""One HTTP/1.1 connection: bytes on the socket to one response at a time. No pipelining, no upgrade.

The parser (llhttp) judges the framing and is strict: folded headers, two lengths, a length beside chunks and a
bare line feed are all refused. What it leaves open is decided here: HEAD, the end by closing, the size of a head
and of what stands between body bytes (chunk extensions, trailers), and whether the connection may serve again.
"""

import asyncio
from typing import Protocol, cast

import httptools
import msgspec

from app.core.batched_writes import BatchedTransport
from app.core.http import failures
from app.core.http.h1_response import H1Response
from app.domain.errors import PlatformError

_JOINED_BODY = 16 * 1024
"""Up to here, copying a body behind its head is cheaper than a second buffer on the way to the socket."""

_BODILESS = frozenset({204, 304})


class Limits(msgspec.Struct, frozen=True):
    head_bytes: int
    idle_timeout: float | None


class Owner(Protocol):
    """The pool, as its connections see it."""

    def give_back(self, connection: "H1Connection") -> None:
        """It is free."""

    def withdraw(self, connection: "H1Connection") -> None:
        """It must not be taken any more; its socket is about to close."""

    def remove(self, connection: "H1Connection") -> None:
        """It is closed."""


class H1Connection(asyncio.BufferedProtocol):
    """`reading`: a buffer that connections may share, since each read is parsed before the next one begins.

    `death`: what ended it, where `send` says that it died.
    """

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        reading: memoryview,
        limits: Limits,
        owner: Owner,
    ) -> None:
        self.idle_since = 0.0
        self.death: Exception | None = None
        self._name = name
        self._loop = loop
        self._reading = reading
        self._limits = limits
        self._owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[H1Response | None] | None = None
        self._response: H1Response | None = None
        self._begin(head_only=False)

    def _begin(self, *, head_only: bool) -> None:
        self._head_only = head_only
        self._fields: dict[bytes, bytes] = {}
        self._head_size = 0
        self._unframed = 0
        self._heard = False
        self._complete = False
        self._surplus = False
        self._until_close = False
        self._fault: str | None = None

    def send(
        self, head: bytes, body: bytes | None, *, head_only: bool, patience: float | None, spent: float
    ) -> "asyncio.Future[H1Response | None]":
        """The future of the response's head; None when the connection died before any byte of it (see `death`).

        `patience`: seconds that the head may take, `spent` of which are gone.
        Otherwise it raises a PlatformError. Whoever stops waiting for it must `leave`.
        """
        transport = self._transport
        assert transport is not None
        self._begin(head_only=head_only)
        self._waiter = waiter = self._loop.create_future()
        if patience is not None:
            self._timer = self._loop.call_later(patience - spent, self._late, patience)
        if not body:
            transport.write(head)
        elif len(body) <= _JOINED_BODY:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        return waiter

    def leave(self, waiter: "asyncio.Future[H1Response | None]") -> None:
        """Stop waiting for the head. Its response may be here all the same, and the connection serve another."""
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            response = waiter.result()
            if response is not None:
                response.close()
        else:
            self.abort()

    def fail(self, error: PlatformError) -> None:
        """Close now; whoever waits gets `error`."""
        waiter, response = self._waiter, self._response
        self._waiter = self._response = None
        self._cancel_timer()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if response is not None:
            response.end(error)
        self._owner.withdraw(self)
        if self._transport is not None:
            self._transport.abort()

    def abort(self) -> None:
        self.fail(failures.unavailable(self._name, failures.LEFT))

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    # The event loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = BatchedTransport(cast(asyncio.Transport, transport), self._loop)

    def get_buffer(self, sizehint: int) -> memoryview:
        """A view and not the bytearray: asyncio's TLS fills a slice of it."""
        return self._reading

    def buffer_updated(self, nbytes: int) -> None:
        if self._waiter is None and self._response is None:
            self.abort()
            return
        self._heard = True
        held = 0 if self._response is None else self._response.held
        try:
            self._parser.feed_data(self._reading[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._complete:
                self._refuse(self._fault or failures.NOT_HTTP)
                return
            self._surplus = True
        self._deliver(nbytes, held)

    def eof_received(self) -> None:
        """The transport closes itself after this."""
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)
        self._transport = None
        self._owner.remove(self)

    # The parser calls these, inside `buffer_updated`.

    def on_message_begin(self) -> None:
        self._surplus = self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._response is not None:  # a trailer
            return
        self._head_size += len(name) + len(value)
        name = name.lower()
        known = self._fields.get(name)
        self._fields[name] = value if known is None else known + b", " + value

    def on_headers_complete(self) -> None:
        if self._response is not None:
            return
        status = self._parser.get_status_code()
        if self._head_size > self._limits.head_bytes:
            self._stop(failures.HEAD_TOO_LARGE)
        if status < 200:
            self._fields = {}
            return
        fields = self._fields
        coding = fields.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            self._stop(failures.TRANSFER_CODING)
        self._response = H1Response(self, self._loop, self._name, status, fields, self._limits.idle_timeout)
        if self._head_only:
            self._finish()
        elif coding is None and b"content-length" not in fields:
            self._until_close = status not in _BODILESS

    def on_body(self, body: bytes) -> None:
        if self._complete or self._response is None:
            self._surplus = True
        else:
            self._response.add(body)

    def on_message_complete(self) -> None:
        if self._response is not None and not self._complete:
            self._finish()

    # The steps between.

    def _finish(self) -> None:
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()

    def _stop(self, fault: str) -> None:
        """Raising ends the parser's run; `buffer_updated` says what `fault` says."""
        self._fault = fault
        raise ValueError(fault)

    def _deliver(self, nbytes: int, held: int) -> None:
        response = self._response
        if response is not None and self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            self._cancel_timer()
            if waiter.done():  # cancelled, and its task has yet to leave
                self.abort()
                return
            waiter.set_result(response)
        if self._complete:
            self._release()
        elif response is not None and response.held > held:
            self._unframed = 0
            response.wake()
        else:
            self._unframed += nbytes
            if self._unframed > self._limits.head_bytes:
                self._refuse(failures.HEAD_TOO_LARGE)

    def _release(self) -> None:
        """The response is whole: give the connection back, or close it if it may be out of step."""
        response, self._response = self._response, None
        transport = self._transport
        if response is not None:
            response.end()
        if not self._keep_alive or self._surplus or transport is None or transport.get_write_buffer_size():
            self.abort()
            return
        if self._head_only:  # llhttp still expects the body that the head announced
            self._parser = httptools.HttpResponseParser(self)
        self._owner.give_back(self)

    def _refuse(self, what: str) -> None:
        self.fail(failures.garbled(self._name, what))

    def _late(self, patience: float) -> None:
        self.fail(failures.timed_out(self._name, "answer", patience))

    def _ended(self, exc: Exception | None) -> None:
        if self._response is not None and self._until_close and exc is None:
            response, self._response = self._response, None
            response.end()
        elif self._waiter is not None and not self._heard:
            self.death = exc
            waiter, self._waiter = self._waiter, None
            if not waiter.done():
                waiter.set_result(None)
        self.fail(failures.lost(self._name, exc))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
