"""A peer that a test scripts byte by byte: no HTTP library, so it can lie, stall and break off as real ones do.

    async def script(call: Call) -> None:
        await call.request()
        await call.send(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok")

    async with raw_peer(script) as peer:
        ...  # peer.url, peer.calls

The script runs once per connection; when it returns, the connection is closed.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

DEADLINE = 5.0
"""Seconds that any single wait of a script or a test may take before it fails."""


class Request:
    """What the client sent: `head` as it came, the rest taken apart."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = first.split(" ", 2)
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


class Call:
    """One accepted connection."""

    def __init__(self, peer: "RawPeer", index: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.peer = peer
        self.index = index
        self.reader = reader
        self.writer = writer
        self.sent = 0
        self.ended = asyncio.Event()

    async def head(self) -> bytes:
        """The next request head. Raises EOFError when the client closed first."""
        async with asyncio.timeout(DEADLINE):
            return (await self.reader.readuntil(b"\r\n\r\n"))[:-4]

    async def request(self) -> Request:
        """The next request, noted in `peer.requests`."""
        head = await self.head()
        request = Request(head, b"")
        async with asyncio.timeout(DEADLINE):
            request.body = await self.reader.readexactly(int(request.headers.get("content-length", "0")))
        self.peer.requests.append(request)
        return request

    async def send(self, sent: bytes) -> None:
        self.writer.write(sent)
        await self.writer.drain()
        self.sent += len(sent)

    async def send_bytewise(self, sent: bytes) -> None:
        """One byte at a time, each a packet of its own that the client's loop sees alone, as a rule."""
        for position in range(len(sent)):
            await self.send(sent[position : position + 1])
            await asyncio.sleep(0)

    async def answer(self, body: bytes = b"ok", status: str = "200 OK", headers: str = "") -> None:
        await self.send(f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def until_gone(self) -> None:
        """Until the client closed or reset the connection."""
        async with asyncio.timeout(DEADLINE):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Call], Awaitable[None]]


class RawPeer:
    def __init__(self, script: Script, *, tls: bool) -> None:
        self._script = script
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.calls: list[Call] = []
        self.requests: list[Request] = []
        self.failures: list[Exception] = []
        self.server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = Call(self, len(self.calls), reader, writer)
        self.calls.append(call)
        task = asyncio.get_running_loop().create_task(self._run(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Call) -> None:
        try:
            await self._script(call)
        except (EOFError, ConnectionError):
            call.writer.transport.abort()
        except asyncio.CancelledError:
            call.writer.transport.abort()
            raise
        except Exception as error:
            self.failures.append(error)
        finally:
            call.ended.set()
            call.writer.close()

    def refuse(self) -> None:
        """Whoever connects from now on; those who are there stay."""
        assert self.server is not None
        self.server.close()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def raw_peer(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawPeer]:
    """Listens on a free port of 127.0.0.1. A failure inside a script fails the test at the end of the block."""
    peer = RawPeer(script, tls=tls is not None)
    server = await asyncio.start_server(peer.connected, "127.0.0.1", 0, ssl=tls)
    peer.server = server
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        await peer.stop()
    if peer.failures:
        raise ExceptionGroup("the script of the peer failed", peer.failures)


def closed_port() -> int:
    """A port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
