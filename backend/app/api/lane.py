"""A short way past ASGI for the hot endpoints: a whole answer in one write, and word of a client that left
without a task that waits for it. In a sampled profile the two sends of an answer alone were a tenth of a request.

It is an extension: the endpoint finds it in its scope, and without it (another server, a middleware that must see
what is sent) goes the ordinary way.
"""

from collections.abc import Callable

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Headers = list[tuple[bytes, bytes]]

_KEY = "llm_platform.lane"


class Lane:
    """One request's. `on_leave` is called at most once, when the connection is lost before the answer is whole."""

    __slots__ = ("_cycle", "on_leave")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
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

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole response in one write. `headers` must be clean: nothing checks them."""
        cycle = self._cycle
        if cycle.disconnected:
            return
        if (b"connection", b"close") in headers:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            headers = [*headers, (b"connection", b"close")]
        lines = b"".join([b"%b: %b\r\n" % field for field in (*cycle.default_headers, *headers)])
        head = b"%b%bcontent-length: %d\r\n\r\n" % (STATUS_LINE[status], lines, len(body))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.transport.write(head + body)
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


def open_lane(scope: Scope, cycle: RequestResponseCycle) -> Lane:
    lane = scope[_KEY] = Lane(cycle)
    return lane


def take_lane(scope: Scope) -> Lane | None:
    """For whoever answers by it, once; or for nobody, where what is sent has to be seen. It does not stay in the
    scope, which it knows: that would be a circle.
    """
    lane: Lane | None = scope.pop(_KEY, None)
    return lane
