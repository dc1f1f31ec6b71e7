"""A closed-loop load generator: each connection sends its next request when the last answer is complete.

It parses no more of an answer than its end, and counts `data:` frames in a stream. It sends to 127.0.0.1 only, and
every load ends: no request starts after `requests` or `seconds`, and after `seconds_at_most` it gives up.
"""

import asyncio
import time
from typing import cast

import msgspec

_END = b"\r\n0\r\n\r\n"
_FRAME = b"data: "
_CLOSED_BY_PEER_AT_MOST = 100


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """`request` over and over on `connections` kept alive to `port`, opened evenly over `ramp` seconds.

    A stream of fewer than `frames` frames counts as an error.
    """

    port: int
    request: bytes
    connections: int
    requests: int
    seconds: float
    ramp: float = 0.0
    frames: int = 0
    seconds_at_most: float = 120.0


class Outcome(msgspec.Struct, kw_only=True):
    """What came back. `latencies`: seconds of each whole answer with status 200; `frames`: of these answers."""

    latencies: list[float]
    errors: int = 0
    first_error: str = ""
    frames: int = 0
    seconds: float = 0.0


async def run(load: Load) -> Outcome:
    """Raises TimeoutError when the load did not end in time, OSError when nobody listens."""
    loop = asyncio.get_running_loop()
    course = _Course(load)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(load.seconds_at_most), asyncio.TaskGroup() as group:
            for index in range(load.connections):
                at = loop.time() + load.ramp * index / load.connections
                group.create_task(_keep_connected(course, at))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    course.outcome.seconds = time.perf_counter() - began
    return course.outcome


async def _keep_connected(course: "_Course", at: float) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(at - loop.time())
    for _ in range(_CLOSED_BY_PEER_AT_MOST):
        if not course.goes_on():
            return
        transport, connection = await loop.create_connection(
            lambda: _Connection(course), "127.0.0.1", course.load.port
        )
        try:
            await connection.ended
        finally:
            transport.close()


class _Course:
    """How far the load is: shared by its connections."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.outcome = Outcome(latencies=[])
        self._left = load.requests
        self._until = time.perf_counter() + load.seconds

    def goes_on(self) -> bool:
        return self._left > 0 and time.perf_counter() < self._until

    def start(self) -> bool:
        """Takes one request from those that are left, if there is one."""
        if not self.goes_on():
            return False
        self._left -= 1
        return True

    def answered(self, seconds: float, frames: int, status: bytes) -> None:
        if status != b"200":
            self.failed(f"status {status.decode(errors='replace')}")
        elif frames < self.load.frames:
            self.failed(f"a stream of {frames} frames")
        else:
            self.outcome.latencies.append(seconds)
            self.outcome.frames += frames

    def failed(self, why: str) -> None:
        self.outcome.errors += 1
        self.outcome.first_error = self.outcome.first_error or why


class _Connection(asyncio.Protocol):
    """`ended` is set when the load is over or the peer has closed the connection."""

    def __init__(self, course: _Course) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._course = course
        self._asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._tail += data
            end = self._tail.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data = self._tail[:end].lower(), self._tail[end + 4 :]
            self._read_head(head)
        if self._left is None:
            self._read_chunked(data)
        else:
            self._left -= len(data)
            if self._left <= 0:
                self._answered()

    def connection_lost(self, error: Exception | None) -> None:
        if self._asked:
            self._asked = False
            self._course.failed("the connection ended before the answer did")
        if not self.ended.done():
            self.ended.set_result(None)

    def _ask(self) -> None:
        if not self._course.start():
            self._transport.close()
            return
        self._asked, self._in_head, self._tail, self._frames = True, True, b"", 0
        self._began = time.perf_counter()
        self._transport.write(self._course.load.request)

    def _read_head(self, head: bytes) -> None:
        self._in_head = False
        self._status = head[9:12]
        at = head.find(b"\r\ncontent-length:")
        self._left = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else None
        self._tail = b"\r\n"

    def _read_chunked(self, data: bytes) -> None:
        # A frame's `data: ` or the end of the body may lie across two reads.
        self._frames += (self._tail[-len(_FRAME) + 1 :] + data).count(_FRAME)
        self._tail = (self._tail + data)[-len(_END) :]
        if self._tail == _END:
            self._answered()

    def _answered(self) -> None:
        self._asked = False
        self._course.answered(time.perf_counter() - self._began, self._frames, self._status)
        self._ask()
