"""A TCP proxy that spoils what passes: it delays, slices, cuts, resets or swallows an upstream's answer.

Requests always pass as they are. `trouble` may be changed at any time and holds for connections made from then on.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Trouble:
    """`after`: bytes of the answer that pass before `end` happens. `slices`: write the answer byte by byte.

    `end`: "fin" closes in good manners but too early, "reset" with RST, "silence" passes nothing more and closes
    nothing. `delay`: seconds before the first byte.
    """

    end: Literal["none", "fin", "reset", "silence"] = "none"
    after: int = 0
    slices: bool = False
    delay: float = 0.0


NO_TROUBLE = Trouble()


class ChaosProxy:
    """`accepted` counts connections; `open` those that are there now."""

    def __init__(self, upstream_port: int, trouble: Trouble) -> None:
        self.trouble = trouble
        self.accepted = 0
        self.url = ""
        self._upstream_port = upstream_port
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> int:
        return len(self._tasks)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.get_running_loop().create_task(self._pass(reader, writer, self.trouble))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        there = asyncio.create_task(_copy(reader, upstream_writer))
        back = asyncio.create_task(_spoil(upstream_reader, writer, trouble))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            for each in (writer, upstream_writer):
                each.close()
                with suppress(ConnectionError):
                    await each.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()


async def _spoil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble) -> None:
    passed = 0
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            if not passed and trouble.delay:
                await asyncio.sleep(trouble.delay)
            if trouble.end != "none":
                chunk = chunk[: trouble.after - passed]
            await _write(writer, chunk, slices=trouble.slices)
            passed += len(chunk)
            if trouble.end != "none" and passed >= trouble.after:
                await _end(writer, trouble)
                return


async def _write(writer: asyncio.StreamWriter, chunk: bytes, *, slices: bool) -> None:
    for piece in (chunk[i : i + 1] for i in range(len(chunk))) if slices else (chunk,):
        writer.write(piece)
        await writer.drain()
        if slices:
            # Lets the reader's loop see each byte alone, as a rule.
            await asyncio.sleep(0)


async def _end(writer: asyncio.StreamWriter, trouble: Trouble) -> None:
    if trouble.end == "silence":
        await asyncio.Event().wait()
    if trouble.end == "reset":
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@asynccontextmanager
async def chaos_proxy(upstream_port: int, trouble: Trouble = NO_TROUBLE) -> AsyncIterator[ChaosProxy]:
    """Listens on a free port of 127.0.0.1, at `url`."""
    proxy = ChaosProxy(upstream_port, trouble)
    server = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.stop()
        await server.wait_closed()
