"""An OpenAI-compatible upstream that is quick and fails as it is told: for thousands of requests.

Answers are made beforehand. Every request is counted, in all and by its x-request-id.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

_ID = re.compile(rb"\r\nx-request-id: ([^\r]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_CHUNK = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,%b}]}'


def _http(status: int, body: bytes, kind: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{extra}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


WHOLE = _http(
    200,
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"hello"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}',
)
STREAM = _http(
    200,
    b"data: %b\n\ndata: %b\n\ndata: [DONE]\n\n"
    % (
        _CHUNK % b'"delta":{"role":"assistant","content":"hello"},"finish_reason":null',
        _CHUNK % b'"delta":{},"finish_reason":"stop"',
    ),
    "text/event-stream",
)


def refusal(status: int, extra: str = "") -> bytes:
    """`extra`: further header lines."""
    return _http(status, b'{"error":{"message":"as told","type":"server_error","code":null}}', extra=extra)


class FaultyPeer:
    """`behave` gives the answer to each request; None is a good one, b"" breaks the connection."""

    def __init__(self) -> None:
        self.behave: Callable[[], bytes | None] = lambda: None
        self.asked = 0
        self.by_id: Counter[bytes] = Counter()
        self.open: set[asyncio.WriteTransport] = set()
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def live(self) -> None:
        """Listen, at the same port as before if there was one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """Refuse connections and break those that there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in tuple(self.open):
            transport.abort()


class _Connection(asyncio.Protocol):
    def __init__(self, peer: FaultyPeer) -> None:
        self._peer = peer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._peer.open.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._peer.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or (length is not None and len(body) < int(length[1])):
            return
        self._received = b""
        self._peer.asked += 1
        if named := _ID.search(head):
            self._peer.by_id[named[1]] += 1
        answer = self._peer.behave()
        if answer is None:
            answer = STREAM if b'"stream":true' in body or b'"stream": true' in body else WHOLE
        if answer:
            self._transport.write(answer)
        else:
            self._transport.abort()


@asynccontextmanager
async def faulty_peers(count: int) -> AsyncIterator[list[FaultyPeer]]:
    peers = [FaultyPeer() for _ in range(count)]
    try:
        for peer in peers:
            await peer.live()
        yield peers
    finally:
        for peer in peers:
            await peer.die()
