"""A closed-loop load generator: each connection sends its next request when the last answer is complete.

It parses no more of an answer than its end, and counts `data:` frames in a stream. Targets are on 127.0.0.1 only.
"""

import asyncio
import time

import msgspec


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: `requests` in all over `connections` kept alive, to 127.0.0.1:`port`."""

    port: int
    request: bytes
    connections: int
    requests: int
    seconds_at_most: float = 120.0


class Outcome(msgspec.Struct, kw_only=True):
    """What came back. `latencies` in seconds, one a request; `frames` counts stream frames."""

    latencies: list[float]
    errors: int
    frames: int
    seconds: float


async def run(load: Load) -> Outcome:
    """Raises TimeoutError when the load's time is up, ConnectionError when nobody listens."""
    outcome = Outcome(latencies=[], errors=0, frames=0, seconds=0.0)
    remaining = iter(range(load.requests))
    began = time.perf_counter()
    async with asyncio.timeout(load.seconds_at_most):
        await asyncio.gather(*(_connection(load, remaining, outcome) for _ in range(load.connections)))
    outcome.seconds = time.perf_counter() - began
    return outcome


async def _connection(load: Load, remaining: object, outcome: Outcome) -> None:
    loop = asyncio.get_running_loop()
    client: _Client | None = None
    for _ in remaining:  # type: ignore[attr-defined]
        if client is None or client.lost:
            _, client = await loop.create_connection(_Client, "127.0.0.1", load.port)
        began = time.perf_counter()
        ok = await client.ask(load.request)
        outcome.latencies.append(time.perf_counter() - began)
        outcome.errors += not ok
        outcome.frames += client.frames
    if client is not None:
        client.close()


class _Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = False
        self.frames = 0
        self._answer: asyncio.Future[bool] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    async def ask(self, request: bytes) -> bool:
        """Whether the answer was a whole one with status 200."""
        self.frames = 0
        self._head = b""
        self._left = -1
        self._tail = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        if self._left == -1:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = self._head[:end].lower(), self._head[end + 4 :]
            self._ok = head.startswith(b"http/1.1 200")
            at = head.find(b"content-length:")
            self._left = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else -2
        if self._left == -2:
            self.frames += data.count(b"data: ")
            self._tail = (self._tail + data)[-5:]
            if self._tail == b"0\r\n\r\n":
                self._done(self._ok)
        else:
            self._left -= len(data)
            if self._left <= 0:
                self._done(self._ok)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._done(False)

    def close(self) -> None:
        self._transport.close()

    def _done(self, ok: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(ok)
