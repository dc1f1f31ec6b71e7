"""The transport port on aiohttp: dear per request, and the one that speaks through a forward proxy.

Three things that it does less exactly than h1: `max_idle_connections` is not known to aiohttp; nor is for how
long a connection was unused, so that one that dies is replaced for a POST, too; and a pooled connection that is
reset after half a head counts as one that never answered.

aiohttp repeats idempotent requests by itself, on fresh connections too. A session middleware turns the errors it
would do that for into our own, so that the one rule of the port holds.
"""

import asyncio
import io
import ssl
from collections.abc import AsyncGenerator, Mapping
from types import SimpleNamespace

import aiohttp
from yarl import URL

from app.core.http import failures
from app.core.http.body import gather
from app.core.http.coding import Inflater, inflater
from app.core.http.tls import ClientTls
from app.core.http.transport import MAX_BODY_BYTES, OutboundRequest, TransportSettings
from app.core.http.upstream import Upstream, check_target
from app.domain.errors import ConnectionRefused, PlatformError

_READ_BUFFER = 32 * 1024
"""aiohttp stops reading when more than twice this waits."""

_STREAMED_BODY = 64 * 1024
"""Larger request bodies are written piece by piece, so that an early answer can end them."""


class _Trip:
    """What aiohttp's tracing tells about one request."""

    reused = False


class AiohttpResponse:
    __slots__ = ("_idle_timeout", "_inflater", "_name", "_response", "_until_close", "headers", "status")

    def __init__(self, name: str, response: aiohttp.ClientResponse, idle_timeout: float | None) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = _joined(response)
        self._name = name
        self._response = response
        self._idle_timeout = idle_timeout
        self._until_close: aiohttp.client_proto.ResponseHandler | None = None
        if response.connection is not None and not {"content-length", "transfer-encoding"} & self.headers.keys():
            self._until_close = response.connection.protocol
        self._inflater: Inflater | None = inflater(name, self.headers.get("content-encoding", ""))

    async def read(self, limit: int = MAX_BODY_BYTES) -> bytes:
        return await gather(self.chunks(), limit, self._name)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            while received := await self._receive():
                if self._inflater is None:
                    yield received
                else:
                    for piece in self._inflater.feed(received):
                        yield piece
            self._check_end()
            if self._inflater is not None:
                self._inflater.finish()
        finally:
            await self.aclose()

    def _check_end(self) -> None:
        """aiohttp takes a reset for the end of a body that only the connection's end delimits."""
        if self._until_close is not None and isinstance(self._until_close.exception(), aiohttp.ClientOSError):
            raise failures.unavailable(self._name, failures.BROKE)

    async def _receive(self) -> bytes:
        """b"" at the end."""
        try:
            async with asyncio.timeout(self._idle_timeout):
                return await self._response.content.readany()
        except TimeoutError:
            raise failures.timed_out(self._name, "more of its answer", self._idle_timeout or 0) from None
        except (aiohttp.ClientError, RuntimeError) as error:  # RuntimeError: the transport was closed meanwhile
            raise _reading_failed(self._name, error) from None

    async def aclose(self) -> None:
        _abandon(self._response)


class AiohttpTransport:
    def __init__(self, upstream: Upstream, settings: TransportSettings) -> None:
        self._upstream = upstream
        self._settings = settings
        self._tls = ClientTls(upstream.name, settings) if upstream.tls else None
        self._base = f"{'https' if upstream.tls else 'http'}://{upstream.authority}{upstream.prefix}"
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"AiohttpTransport({self.name!r})"

    @property
    def name(self) -> str:
        return self._upstream.name

    @property
    def busy(self) -> bool:
        """It can't be told for connections that aiohttp keeps: while there are any, one may be in use."""
        return not self._closed and any(session.connector for session in self._sessions.values())

    async def open(self, request: OutboundRequest) -> AiohttpResponse:
        check_target(request.method, request.path)
        timeout = request.first_byte_timeout or self._settings.first_byte_timeout
        try:
            async with asyncio.timeout(timeout):
                response = await self._send(request)
        except TimeoutError:
            raise failures.timed_out(self.name, "answer", timeout or 0) from None
        try:
            self._check_head(response)
            return AiohttpResponse(self.name, response, self._settings.idle_timeout)
        except PlatformError:
            _abandon(response)
            raise

    async def aclose(self) -> None:
        self._closed = True
        for session in self._sessions.values():
            await session.close()

    async def _send(self, request: OutboundRequest) -> aiohttp.ClientResponse:
        trip = _Trip()
        try:
            return await self._attempt(request, trip, fresh=False)
        except _Dropped as dropped:
            if not (trip.reused and dropped.before_any_byte):
                raise dropped.meaning from None
        try:
            return await self._attempt(request, trip, fresh=True)
        except _Dropped as dropped:
            raise dropped.meaning from None
        except ConnectionRefused as refused:
            refused.sent = True
            raise

    async def _attempt(self, request: OutboundRequest, trip: _Trip, *, fresh: bool) -> aiohttp.ClientResponse:
        body = request.body
        streamed = body is not None and len(body) > _STREAMED_BODY
        try:
            return await self._session(fresh).request(
                request.method,
                URL(self._base + request.path, encoded=True),
                headers=(*self._upstream.fixed_beside(request.headers), *request.headers),
                data=io.BytesIO(body or b"") if streamed else body,
                allow_redirects=False,
                proxy=self._settings.proxy,
                ssl=self._tls.context() if self._tls else True,
                trace_request_ctx=trip,
            )
        except aiohttp.ConnectionTimeoutError:
            raise failures.timed_out(self.name, "connection", self._settings.connect_timeout) from None
        except aiohttp.ClientError as error:
            raise self._opening_failed(error) from None

    def _session(self, fresh: bool) -> aiohttp.ClientSession:
        """Two pools: the one that keeps connections, and one whose connections are always new."""
        if self._closed:
            raise failures.unavailable(self.name, failures.TRANSPORT_CLOSED)
        if fresh not in self._sessions:
            tracing = aiohttp.TraceConfig()
            tracing.on_connection_reuseconn.append(_note_reuse)
            settings = self._settings
            keep_alive = None if fresh else settings.keep_alive
            self._sessions[fresh] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=fresh, keepalive_timeout=keep_alive),
                timeout=aiohttp.ClientTimeout(total=None, connect=settings.connect_timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
                read_bufsize=_READ_BUFFER,
                max_line_size=settings.max_head_bytes,
                max_field_size=settings.max_head_bytes,
                middlewares=(self._without_repeats,),
                trace_configs=[tracing],
            )
        return self._sessions[fresh]

    async def _without_repeats(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        except aiohttp.ClientConnectorError:
            raise
        except aiohttp.ServerDisconnectedError as error:
            raise _Dropped(self._unavailable(failures.CLOSED_EARLY), isinstance(error.message, str)) from None
        except aiohttp.ClientOSError as error:
            raise _Dropped(failures.broken(self.name, error), True) from None

    def _opening_failed(self, error: aiohttp.ClientError) -> PlatformError:
        match error:
            case aiohttp.ClientConnectorCertificateError():
                return failures.broken(self.name, ssl.SSLCertVerificationError())
            case aiohttp.ClientSSLError():
                return failures.broken(self.name, ssl.SSLError())
            case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
                return self._unavailable("cannot be reached through the proxy.")
            case aiohttp.ClientConnectorError():
                return failures.broken(self.name, error.os_error)
            case aiohttp.ClientResponseError():
                return failures.garbled(self.name, failures.NOT_HTTP)
            case _:
                return self._unavailable(failures.BROKE)

    def _unavailable(self, what: str) -> PlatformError:
        return failures.unavailable(self.name, what)

    def _check_head(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 101:
            raise failures.garbled(self.name, failures.NOT_HTTP)
        if sum(len(name) + len(value) for name, value in response.raw_headers) > self._settings.max_head_bytes:
            raise failures.garbled(self.name, failures.HEAD_TOO_LARGE)


class _Dropped(Exception):
    """The connection ended before the head was whole."""

    def __init__(self, meaning: PlatformError, before_any_byte: bool) -> None:
        super().__init__(meaning.message)
        self.meaning = meaning
        self.before_any_byte = before_any_byte


async def _note_reuse(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceConnectionReuseconnParams
) -> None:
    context.trace_request_ctx.reused = True


def _joined(response: aiohttp.ClientResponse) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def _abandon(response: aiohttp.ClientResponse) -> None:
    """Abort and not close: closing would first send what is left of the request."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def _reading_failed(name: str, error: Exception) -> PlatformError:
    if isinstance(error, aiohttp.ClientPayloadError):
        return failures.unavailable(name, failures.CLOSED_EARLY)
    return failures.unavailable(name, failures.BROKE)
