"""The outbound HTTP port: one transport per upstream, HTTP/1.1, pooled connections, bytes in and bytes out.

Two clients stand behind it and pass the same contract tests: `h1` (our own on httptools, for the hot path) and
`aiohttp` (for what `h1` leaves out: a forward proxy). Not here: what a status means (the dialect's job), frames
of a stream (wire/), retries of a whole request (the router's attempt plan).

No library error escapes. All of these carry `provider=name` and never a header, an address or the peer's text:
    ConnectionFailed       no connection (unknown name, TLS), or it broke; ConnectionRefused: nobody listens
    UpstreamTimeout        connecting, the head or the next bytes took too long
    ProviderProtocolError  the answer is not HTTP, lies about its length, is too large or has an unknown coding
    InvalidRequest         a method, path or header that must not go on the wire (a line break, framing headers)
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Literal, Protocol

import msgspec

from app.core.http.upstream import parse_upstream

MAX_BODY_BYTES = 64 * 2**20


class OutboundRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`path` is joined to the base URL as it stands: empty, or starting with `/` or `?`, percent-encoded.

    `headers` win over the transport's own of the same name. `first_byte_timeout`: seconds from `open` (connecting
    included) to the whole head of the response; None takes the transport's setting.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    first_byte_timeout: float | None = None


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds; None means without limit.

    `idle_timeout`: the longest silence while somebody waits for more of the body. `keep_alive`: how long an
    unused connection is kept; stay below what servers do (many close after 75 s, some after 5 s; a close that
    crosses our request is retried once, see `Transport.open`). `stale_after`: one that was unused for so long
    may have been closed by now; one that was just in use breaks for another reason. `ca_file` replaces the
    system's authorities; `client_cert_file` and `client_key_file` (PEM) are shown to an upstream that asks for
    them; each new connection uses what is in the files then. `proxy` is an http:// forward proxy and always uses
    the aiohttp client; the environment's proxies are never read.
    """

    client: Literal["h1", "aiohttp"] = "h1"
    connect_timeout: float = 5.0
    first_byte_timeout: float | None = 600.0
    idle_timeout: float | None = 300.0
    max_idle_connections: int = 100
    keep_alive: float = 15.0
    stale_after: float = 2.0
    max_head_bytes: int = 64 * 1024
    verify: bool = True
    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    proxy: str | None = None


class InboundResponse(Protocol):
    """A response whose head is here. Its holder closes it (`contextlib.aclosing`), and reads its body once.

    Closing before the end closes the connection at once; a body read to its end gives the connection back.
    A consumer that stops reading makes the client stop reading too: at most 256 KiB are held.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names; a repeated header is joined with commas."""
        ...

    async def read(self, limit: int = MAX_BODY_BYTES) -> bytes:
        """The whole body, decoded if the peer compressed it. Over `limit` bytes: ProviderProtocolError."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """What has arrived, as it arrives: never empty, in no relation to the peer's writes or chunks."""
        ...

    async def aclose(self) -> None: ...


class Transport(Protocol):
    """The connections to one upstream. Concurrency is not limited here: admission is the router's."""

    @property
    def name(self) -> str: ...

    @property
    def busy(self) -> bool:
        """Whether an answer is under way."""
        ...

    async def open(self, request: OutboundRequest) -> InboundResponse:
        """Send, and return on the head of the final response, whatever its status. Redirects are not followed.

        A pooled connection that dies before a single byte of the response is replaced by a fresh one, once and
        unseen: but not for a POST unless it was unused for `stale_after`, for the server may have begun on it, and
        who asks decides how often. Nothing else is retried. Cancelling closes the connection at once.
        """
        ...

    async def aclose(self) -> None:
        """Closes every connection, also those in use. Safe twice; `open` afterwards is ConnectionFailed."""
        ...


def create_transport(
    *,
    name: str,
    base_url: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    settings: TransportSettings | None = None,
) -> Transport:
    """A transport to `base_url` (http:// or https://, a path prefix allowed); connects on first use.

    `name` is what errors call the upstream. `headers` go with every request and are kept out of errors and reprs.
    Reads the TLS files. Raises ValueError for a bad address, header or TLS file.
    """
    settings = settings or TransportSettings()
    fixed = tuple(headers.items() if isinstance(headers, Mapping) else headers)
    upstream = parse_upstream(name, base_url, fixed)
    if settings.client == "aiohttp" or settings.proxy is not None:
        from app.core.http.aiohttp_transport import AiohttpTransport

        return AiohttpTransport(upstream, settings)
    from app.core.http.h1_transport import H1Transport

    return H1Transport(upstream, settings)
