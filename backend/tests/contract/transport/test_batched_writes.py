"""Writes of one turn of the loop, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from app.core.batched_writes import BatchedTransport, before_writes, prepare_to_write


class Lasting(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


class End:
    """One end that writes by batches, and the other end, which does not block."""

    def __init__(self, real: asyncio.Transport, protocol: "Lasting", peer: socket.socket) -> None:
        self.real = real
        self.lost = protocol.lost
        self.transport = BatchedTransport(real, asyncio.get_running_loop())
        self.peer = peer

    def arrived(self) -> bytes:
        """Without a turn of the loop."""
        try:
            return self.peer.recv(2**16)
        except BlockingIOError:
            return b""


async def _end() -> End:
    loop = asyncio.get_running_loop()
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    real, protocol = await loop.create_connection(Lasting, sock=ours)
    return End(real, protocol, peer)


@pytest.fixture
async def ends() -> AsyncIterator[list[End]]:
    pair = [await _end(), await _end()]
    yield pair
    for end in pair:
        end.transport.abort()
        end.peer.close()
    await asyncio.sleep(0)


async def test_writes_of_a_turn_go_out_together(ends: list[End]):
    one, other = ends
    one.transport.write(b"a")
    other.transport.write(b"b")
    one.transport.writelines([b"c", b"d"])
    assert one.transport.get_write_buffer_size() == 3
    assert (one.arrived(), other.arrived()) == (b"", b"")
    await asyncio.sleep(0)
    assert (one.arrived(), other.arrived()) == (b"acd", b"b")
    assert one.transport.get_write_buffer_size() == 0


@pytest.mark.parametrize("when", ["the turn ends", "close", "write_eof", "it is asked for", "nothing is written"])
async def test_what_comes_before_writes_is_done_before_any_and_once(ends: list[End], when: str):
    one, other = ends
    seen: list[bytes] = []
    if when != "nothing is written":
        one.transport.write(b"an answer")
    before_writes(lambda: seen.append(one.arrived() + other.arrived()))
    assert seen == []
    if when == "it is asked for":
        prepare_to_write()
    elif when in ("close", "write_eof"):
        getattr(one.transport, when)()
    else:
        await asyncio.sleep(0)
    assert seen == [b""]
    await asyncio.sleep(0)
    assert seen == [b""]


@pytest.mark.parametrize("end_by", ["close", "write_eof"])
async def test_ending_writes_first_what_waits(ends: list[End], end_by: str):
    one = ends[0]
    one.transport.write(b"last words")
    getattr(one.transport, end_by)()
    assert one.arrived() == b"last words"
    await asyncio.sleep(0)
    assert one.arrived() == b""


async def test_abort_drops_what_waits(ends: list[End]):
    one, other = ends
    one.transport.write(b"never mind")
    other.transport.write(b"but this")
    one.transport.abort()
    await asyncio.sleep(0)
    assert (one.arrived(), other.arrived()) == (b"", b"but this")


async def test_a_connection_that_closed_meanwhile_stops_no_other(ends: list[End]):
    one, other = ends
    one.real.abort()
    await one.lost.wait()
    one.transport.write(b"too late")
    other.transport.write(b"in time")
    await asyncio.sleep(0)
    assert (one.arrived(), other.arrived()) == (b"", b"in time")
