"""A short way past ASGI for the hot endpoints: a whole answer in one write, each piece of a stream in one, and
word of a client that left without a task that waits for it. In a sampled profile the two sends of an answer alone
were a tenth of a request.

It is an extension: the endpoint finds it in its scope, and without it (another server, a middleware that must see
what is sent) goes the ordinary way.
"""

from collections.abc import Callable

from starlette.types import Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from app.api.head import Headers, headers_in, lines_of

_KEY = "llm_platform.lane"
_CLOSE = b"\r\nconnection: close\r\n"


class Lane:
    """One request's. `on_leave` is called at most once, when the connection is lost before the answer is whole."""

    __slots__ = ("_begun", "_cycle", "on_leave")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._begun = b""
        self.on_leave: Callable[[], None] | None = None

    @property
    def gone(self) -> bool:
        return self._cycle.disconnected

    @property
    def done(self) -> bool:
        return self._cycle.response_complete

    def left(self) -> None:
        """The connection is lost."""
        self._cycle.disconnected = True
        leave, self.on_leave = self.on_leave, None
        if leave is not None and not self.done:
            leave()

    def respond(self, status: int, lines: bytes, body: bytes) -> None:
        """A whole response in one write. `lines` of its head must be clean: nothing checks them."""
        if not self._cycle.disconnected:
            head = self._head(status, lines)
            self._finish(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))

    async def begin(self, status: int, lines: bytes) -> None:
        """A response in pieces. Its head is written with the first of them."""
        self._begun = self._head(status, lines) + b"transfer-encoding: chunked\r\n\r\n"
        self._cycle.response_started = True

    async def write(self, piece: bytes) -> None:
        """Waits while the reader is slower than we."""
        if self._cycle.flow.write_paused:
            await self._writable()
        if not self._cycle.disconnected:
            begun, self._begun = self._begun, b""
            self._cycle.transport.write(b"%b%x\r\n%b\r\n" % (begun, len(piece), piece))

    async def end(self, piece: bytes = b"") -> None:
        """With the last piece, if there is one more."""
        if piece:
            await self.write(piece)
        if not self._cycle.disconnected:
            self._finish(self._begun + b"0\r\n\r\n")

    async def _writable(self) -> None:
        if not self._cycle.disconnected:
            await self._cycle.flow.drain()

    def _head(self, status: int, lines: bytes) -> bytes:
        cycle = self._cycle
        if _CLOSE in lines:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            lines += _CLOSE[2:]
        return STATUS_LINE[status] + _default_lines(cycle.default_headers) + lines

    def _finish(self, data: bytes) -> None:
        cycle = self._cycle
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.transport.write(data)
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


class SlowLane:
    """The ordinary way, for an answer in pieces."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def begin(self, status: int, lines: bytes) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers_in(lines)})

    async def write(self, piece: bytes) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self, piece: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": piece})


class _Defaults:
    """The lines of what the server adds to each head. It makes its list anew when a second is over."""

    def __init__(self) -> None:
        self._headers: Headers = []
        self._lines = b""

    def lines(self, headers: Headers) -> bytes:
        if headers is not self._headers:
            self._headers, self._lines = headers, lines_of(headers)
        return self._lines


_default_lines = _Defaults().lines


def open_lane(scope: Scope, cycle: RequestResponseCycle) -> Lane:
    lane = scope[_KEY] = Lane(cycle)
    return lane


def take_lane(scope: Scope) -> Lane | None:
    """For whoever answers by it, once; or for nobody, where what is sent has to be seen. It does not stay in the
    scope, which it knows: that would be a circle.
    """
    lane: Lane | None = scope.pop(_KEY, None)
    return lane
