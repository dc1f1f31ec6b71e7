"""What one turn of the event loop writes, on whichever connections, goes out together at the turn's end.

A write wakes the process that reads the other end, if that sleeps, and a wake can cost more than the write; one
that follows right behind another finds it awake. Pieces for the same connection become one write. (docs/adr/0011)

What has to be done before anybody can read them, `before_writes` does, once for all of a turn.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

Data: TypeAlias = "bytes | bytearray | memoryview[Any]"


class BatchedTransport(asyncio.Transport):
    """A transport whose writes wait for the end of the turn; all else is the real one's. For one protocol alone:
    what is written past it overtakes.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._batch = _batch_of(loop)
        self._waiting: list[Data] = []

    def write(self, data: Data) -> None:
        if not self._waiting:
            self._batch.add(self)
        self._waiting.append(data)

    def writelines(self, list_of_data: Iterable[Data]) -> None:
        for data in list_of_data:
            self.write(data)

    def flush(self) -> None:
        """Write now what waits."""
        waiting = self._waiting
        if not waiting:
            return
        if self._batch.first:
            self._batch.prepare()
        self._waiting = []
        if self._transport.is_closing():
            return
        if len(waiting) == 1:
            self._transport.write(waiting[0])
        else:
            self._transport.writelines(waiting)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self._waiting = []
        self._transport.abort()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        self.flush()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + sum(map(len, self._waiting))

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)


class _Batch:
    """The transports of one loop that have something to write, and what comes `first`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.first: list[Callable[[], object]] = []
        self._call_soon = loop.call_soon
        self._transports: list[BatchedTransport] = []

    def add(self, transport: BatchedTransport) -> None:
        if not self._transports:
            self._call_soon(self._flush)
        self._transports.append(transport)

    def put_first(self, call: Callable[[], object]) -> None:
        if not self.first:
            self._call_soon(self.prepare)
        self.first.append(call)

    def prepare(self) -> None:
        first, self.first = self.first, []
        for call in first:
            call()

    def _flush(self) -> None:
        transports, self._transports = self._transports, []
        for transport in transports:
            transport.flush()


def before_writes(call: Callable[[], object]) -> None:
    """Have it called at the end of this turn of the running loop, before any BatchedTransport writes. It must not
    raise.
    """
    _batch_of(asyncio.get_running_loop()).put_first(call)


def prepare_to_write() -> None:
    """Do now what `before_writes` was told, for whoever writes by other ways."""
    _batch_of(asyncio.get_running_loop()).prepare()


_batches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Batch] = WeakKeyDictionary()


def _batch_of(loop: asyncio.AbstractEventLoop) -> _Batch:
    batch = _batches.get(loop)
    if batch is None:
        batch = _batches[loop] = _Batch(loop)
    return batch
