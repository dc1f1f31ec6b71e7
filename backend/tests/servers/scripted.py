"""An HTTP/1.1 upstream that does exactly what it is told, byte for byte, and remembers what it was sent.

Not a model of any vendor: a test writes the answer. For real inference see openai_peer.py.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

CUT = object()
"""A step: break the connection in the middle."""

Step = bytes | asyncio.Event | object

JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}


@dataclass(frozen=True)
class Reply:
    """A head, then `steps`: bytes are written as one chunk, an event is waited for, CUT breaks the connection.

    `raw` stands in place of everything: bytes that are written as they are, then the connection is closed. `hold`
    is waited for before the head.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    steps: Sequence[Step] = ()
    raw: bytes | None = None
    hold: asyncio.Event | None = None


def json_reply(body: bytes, status: int = 200, **headers: str) -> Reply:
    """Extra `headers`: an underscore stands for a dash."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=JSON | extra, steps=(body,))


def sse_reply(*steps: Step) -> Reply:
    return Reply(headers=SSE, steps=steps)


@dataclass(frozen=True)
class Received:
    """One request. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class ScriptedServer:
    """Use as an async context manager. Replies of one route are used up in order; the last serves all that follow.

    A path that nobody scripted is answered with 404. `left` is set as soon as a client leaves before its answer
    is whole.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.received: list[Received] = []
        self.connections = 0
        self.left = asyncio.Event()
        self.url = ""
        self._arrival = asyncio.Condition()
        self._routes: dict[tuple[str, str], list[Reply]] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def on(self, method: str, path: str, *replies: Reply) -> Self:
        self._routes[method, path] = list(replies)
        return self

    def scripted(self, method: str, path: str) -> bool:
        return (method, path) in self._routes

    async def arrived(self, path: str) -> Received:
        """The first request to `path`, as soon as it is here."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: self.requests_to(path))
        return self.requests_to(path)[0]

    def requests_to(self, path: str) -> list[Received]:
        return [request for request in self.received if request.path == path]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        root = "https://localhost" if self._tls else "http://127.0.0.1"
        self.url = f"{root}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Refuse connections from now on and break those that there are."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connections += 1
        try:
            while request := await _read_request(reader):
                self.received.append(request)
                async with self._arrival:
                    self._arrival.notify_all()
                if not await self._answer(self._reply(request), reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _reply(self, request: Received) -> Reply:
        replies = self._routes.get((request.method, request.path))
        if not replies:
            return Reply(status=404, steps=(b'{"error":{"message":"no such path"}}',))
        return replies.pop(0) if len(replies) > 1 else replies[0]

    async def _answer(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may be used again."""
        if reply.hold is not None and not await self._waited(reply.hold, reader):
            return False
        if reply.raw is not None:
            writer.write(reply.raw)
            await writer.drain()
            return False
        head = [f"HTTP/1.1 {reply.status} Scripted", *(f"{n}: {v}" for n, v in reply.headers.items())]
        writer.write("\r\n".join([*head, "transfer-encoding: chunked", "", ""]).encode())
        for step in reply.steps:
            if step is CUT:
                writer.transport.abort()
                return False
            if isinstance(step, asyncio.Event):
                await writer.drain()
                if not await self._waited(step, reader):
                    return False
            elif isinstance(step, bytes):
                writer.write(b"%x\r\n%b\r\n" % (len(step), step))
                await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _waited(self, event: asyncio.Event, reader: asyncio.StreamReader) -> bool:
        """False when the client left meanwhile."""
        waiting = asyncio.ensure_future(event.wait())
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                self.left.set()
            return waiting.done()
        finally:
            waiting.cancel()
            leaving.cancel()
            await asyncio.gather(waiting, leaving, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> Received | None:
    """None when the client has closed between two requests."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method=method, path=path, headers=headers, body=body)
