"""An open-loop load generator: requests come at their own times, however many are still unanswered.

That is how callers behave who know nothing of each other, and the only load that shows what overload does. It goes
to 127.0.0.1 only, for a bounded time.
"""

import asyncio
import random
import time
from contextlib import suppress

import msgspec

_SECONDS_AFTER = 20.0
"""How long answers may still come once the last request is sent."""


class Answer(msgspec.Struct, frozen=True):
    """`at`: seconds since the start. `status` 0: the connection broke."""

    at: float
    seconds: float
    status: int
    retry_after: bool


class OpenLoop:
    """`rate` requests a second on average, at random times, for `seconds`."""

    def __init__(self, port: int, request: bytes, rate: float, seconds: float, seed: int = 1) -> None:
        self.port = port
        self.request = request
        self.answers: list[Answer] = []
        self._rate = rate
        self._seconds = seconds
        self._random = random.Random(seed)  # noqa: S311 - times of arrival are no secret
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._began = 0.0

    async def run(self) -> list[Answer]:
        self._began = time.perf_counter()
        loop = asyncio.get_running_loop()
        began, due = loop.time(), 0.0
        try:
            async with asyncio.timeout(self._seconds + _SECONDS_AFTER), asyncio.TaskGroup() as group:
                while (due := due + self._random.expovariate(self._rate)) < self._seconds:
                    await asyncio.sleep(began + due - loop.time())
                    group.create_task(self.ask())
        finally:
            for _, writer in self._idle:
                writer.close()
        return self.answers

    async def ask(self) -> None:
        began = time.perf_counter()
        status, retry_after = 0, False
        with suppress(OSError, asyncio.IncompleteReadError):
            status, retry_after = await self._exchange()
        now = time.perf_counter()
        self.answers.append(Answer(now - self._began, now - began, status, retry_after))

    async def _exchange(self) -> tuple[int, bool]:
        """The status, and whether the answer has a Retry-After. Raises OSError and IncompleteReadError."""
        reader, writer = self._idle.pop() if self._idle else await self._connect()
        try:
            writer.write(self.request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        except BaseException:
            writer.close()
            raise
        self._idle.append((reader, writer))
        return int(head[9:12]), b"\r\nretry-after:" in head

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)
