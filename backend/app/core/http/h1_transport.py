"""The transport port on our own HTTP/1.1 client: httptools for the parser, asyncio for the sockets.

Made for the hot path: no task, lock or stream object per request; one write for head and body; one future a wait.
Left out, and found in the aiohttp client: forward proxies. Left out altogether: HTTP/2, pipelining, upgrades,
cookies, redirects, request bodies that are not in memory.
"""

import asyncio
import functools

from app.core.http import failures
from app.core.http.h1_connection import H1Connection, Limits
from app.core.http.h1_pool import Pool
from app.core.http.h1_response import H1Response
from app.core.http.tls import ClientTls
from app.core.http.transport import OutboundRequest, TransportSettings
from app.core.http.upstream import Upstream, check_target, field_lines
from app.domain.errors import ConnectionRefused, PlatformError

_READ_BUFFER = 64 * 1024
_BODY_METHODS = frozenset({"PATCH", "POST", "PUT"})
_NOT_IDEMPOTENT = frozenset({"PATCH", "POST"})


class H1Transport:
    def __init__(self, upstream: Upstream, settings: TransportSettings) -> None:
        self.name = upstream.name
        self._upstream = upstream
        self._connect_timeout = settings.connect_timeout
        self._first_byte_timeout = settings.first_byte_timeout
        self._stale_after = settings.stale_after
        self._limits = Limits(settings.max_head_bytes, settings.idle_timeout)
        self._tls = ClientTls(upstream.name, settings) if upstream.tls else None
        self._pool = Pool(settings.max_idle_connections, settings.keep_alive)
        self._reading = memoryview(bytearray(_READ_BUFFER))
        self._fixed = field_lines(upstream.headers)
        self._start_line = functools.lru_cache(maxsize=256)(self._make_start_line)
        self._fixed_beside = functools.lru_cache(maxsize=256)(self._make_fixed)

    def __repr__(self) -> str:
        return f"H1Transport({self.name!r})"

    @property
    def busy(self) -> bool:
        return self._pool.busy

    async def open(self, request: OutboundRequest) -> H1Response:
        head = self._head(request)
        patience = request.first_byte_timeout or self._first_byte_timeout
        loop = asyncio.get_running_loop()
        older = self._pool.take()
        if older is not None:
            unused = loop.time() - older.idle_since
            response = await _exchange(older, request, head, patience)
            if response is not None:
                return response
            if unused < self._stale_after and request.method in _NOT_IDEMPOTENT:
                raise failures.lost(self.name, older.death)
        began = loop.time()
        try:
            connection = await self._connect(loop, patience)
        except ConnectionRefused as refused:
            refused.sent = older is not None
            raise
        response = await _exchange(connection, request, head, patience, spent=loop.time() - began)
        if response is None:
            raise failures.lost(self.name, connection.death)
        return response

    async def aclose(self) -> None:
        await self._pool.aclose(self._closed())

    def _head(self, request: OutboundRequest) -> bytes:
        fixed = self._fixed
        if request.headers:
            fixed = self._fixed_beside(*[name for name, _ in request.headers]) + field_lines(request.headers)
        start = self._start_line(request.method, request.path)
        if request.body is None and request.method not in _BODY_METHODS:
            return b"%b%b\r\n" % (start, fixed)
        return b"%b%bcontent-length: %d\r\n\r\n" % (start, fixed, len(request.body or b""))

    def _make_start_line(self, method: str, path: str) -> bytes:
        """And the Host line, as RFC 9110 asks. A path that starts with `?` still needs its slash."""
        check_target(method, path)
        target = self._upstream.prefix + path
        if not target.startswith("/"):
            target = "/" + target
        return f"{method} {target} HTTP/1.1\r\nhost: {self._upstream.authority}\r\n".encode("ascii")

    def _make_fixed(self, *names: str) -> bytes:
        """What is sent beside a request's own headers of these names."""
        return field_lines(self._upstream.fixed_beside(tuple((name, "") for name in names)))

    async def _connect(self, loop: asyncio.AbstractEventLoop, first_byte_timeout: float | None) -> H1Connection:
        limit = min(self._connect_timeout, first_byte_timeout or self._connect_timeout)
        if self._pool.closed:
            raise self._closed()
        connection = H1Connection(self.name, loop, self._reading, self._limits, self._pool)
        upstream, context = self._upstream, self._tls.context() if self._tls else None
        try:
            async with asyncio.timeout(limit):
                await loop.create_connection(lambda: connection, upstream.host, upstream.port, ssl=context)
        except TimeoutError:
            raise failures.timed_out(self.name, "connection", limit) from None
        except OSError as error:
            raise failures.broken(self.name, error) from None
        self._pool.add(connection)
        if self._pool.closed:
            connection.abort()
            raise self._closed()
        return connection

    def _closed(self) -> PlatformError:
        return failures.unavailable(self.name, failures.TRANSPORT_CLOSED)


async def _exchange(
    connection: H1Connection, request: OutboundRequest, head: bytes, patience: float | None, spent: float = 0.0
) -> H1Response | None:
    """None when the connection died before any byte of the response."""
    waiter = connection.send(
        head, request.body, head_only=request.method == "HEAD", patience=patience, spent=spent
    )
    try:
        response = await waiter
    except BaseException:
        connection.leave(waiter)
        raise
    if response is not None:
        try:
            response.undo_coding()
        except PlatformError:
            response.close()
            raise
    return response
