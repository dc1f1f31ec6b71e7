"""What the connection holds, when it is given back, and how it ends."""

import asyncio

import pytest

from app.domain.errors import PlatformError, ProviderProtocolError, UpstreamTimeout, UpstreamUnavailable
from tests.unit.core.http.h1_wire import CHUNKED, Wire, whole


async def test_what_one_read_brings_is_delivered_as_one():
    wire = Wire()
    response = await wire.response(CHUNKED + b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n")
    chunks = response.chunks()
    assert await anext(chunks) == b"abc"
    wire.arrive(b"1\r\nd\r\n1\r\ne\r\n")
    wire.arrive(b"1\r\nf\r\n0\r\n\r\n")
    assert [chunk async for chunk in chunks] == [b"def"]


async def test_reading_stops_at_the_high_water_and_goes_on_when_all_is_taken():
    wire = Wire()
    sent = bytes(1024 * 1024)
    response = await wire.response(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(sent))
    wire.arrive(sent)
    assert not wire.socket.reading
    held = response.held
    assert 128 * 1024 < held <= 192 * 1024
    chunks = response.chunks()
    assert len(await anext(chunks)) == held
    assert wire.socket.reading
    await chunks.aclose()


async def test_a_request_is_one_write_whatever_its_size():
    wire = Wire()
    for size in (0, 10, 16 * 1024, 16 * 1024 + 1):
        wire.connection.send(b"HEAD", bytes(size), head_only=False, patience=None, spent=0.0)
        wire.flush()
        assert wire.socket.written.pop() == b"HEAD" + bytes(size)
        assert wire.socket.written == []


async def test_good_bytes_before_bad_ones_are_still_read():
    wire = Wire()
    response = await wire.response(CHUNKED)
    wire.arrive(b"5\r\nhello\r\nzz\r\n")
    chunks = response.chunks()
    assert await anext(chunks) == b"hello"
    with pytest.raises(ProviderProtocolError):
        await anext(chunks)


async def test_an_answer_before_the_request_is_sent_ends_the_connection_but_not_the_answer():
    wire = Wire()
    wire.socket.unsent = 1
    response = await wire.response(b"HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno")
    assert await response.read() == b"no"
    assert wire.socket.aborted
    assert wire.free == []


@pytest.mark.parametrize("event", ["end", "bytes"])
async def test_a_free_connection_withdraws_at_once(event):
    """Not in the next turn of the loop: somebody could take it before that."""
    wire = Wire()
    await wire.response(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert wire.free == [wire.connection]
    if event == "end":
        wire.connection.eof_received()
    else:
        wire.arrive(b"HTTP/1.1 408 Too Late\r\n\r\n")
    assert wire.free == []
    assert wire.socket.aborted


@pytest.mark.parametrize("error", [None, ConnectionResetError()])
async def test_dying_unheard_is_not_an_error_yet(error):
    wire = Wire()
    waiter = wire.ask()
    wire.connection.connection_lost(error)
    assert await waiter is None
    assert wire.connection.death is error
    assert wire.removed == [wire.connection]


@pytest.mark.parametrize("ending", ["end", "lost"])
async def test_without_a_length_the_end_is_the_end_and_a_reset_is_not(ending):
    wire = Wire()
    response = await wire.response(b"HTTP/1.1 200 OK\r\n\r\nall")
    if ending == "end":
        wire.connection.eof_received()
        assert await response.read() == b"all"
    else:
        wire.connection.connection_lost(ConnectionResetError())
        with pytest.raises(UpstreamUnavailable):
            await response.read()


async def test_the_body_that_head_announces_is_not_awaited_and_spoils_nothing():
    wire = Wire()
    response = await wire.response(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", head_only=True)
    assert await response.read() == b""
    assert wire.free == [wire.connection]
    response = await wire.response(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    assert await response.read() == b"ok"


async def test_a_body_after_head_ends_the_connection():
    wire = Wire()
    response = await wire.response(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", head_only=True)
    assert await response.read() == b""
    assert wire.socket.aborted
    assert wire.free == []


async def test_no_timer_outlives_its_exchange():
    wire = Wire(idle_timeout=0.01)
    waiter = wire.ask(patience=0.01)
    wire.arrive(CHUNKED)
    response = await waiter
    assert response is not None
    reading = asyncio.ensure_future(response.read())
    await asyncio.sleep(0)
    wire.arrive(b"0\r\n\r\n")
    assert await reading == b""
    await asyncio.sleep(0.03)
    assert not wire.socket.aborted


async def test_the_head_is_late_and_the_time_spent_before_counts():
    wire = Wire()
    waiter = wire.connection.send(b"HEAD", None, head_only=False, patience=100.0, spent=99.99)
    async with asyncio.timeout(0.5):
        with pytest.raises(UpstreamTimeout, match=r"100 s"):
            await waiter
    assert wire.socket.aborted


async def test_leaving_a_head_that_just_came_spares_the_connections_next_user():
    """The task was cancelled after its answer came and before it ran again; the connection is already taken."""
    wire = Wire()
    waiter = wire.ask()
    wire.arrive(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    assert wire.free == [wire.connection]
    following = wire.ask()
    wire.connection.leave(waiter)
    assert not wire.socket.aborted
    wire.arrive(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    assert await whole(following) == b"ok"


async def test_leaving_a_stream_that_just_began_closes_the_connection():
    wire = Wire()
    waiter = wire.ask()
    wire.arrive(CHUNKED)
    wire.connection.leave(waiter)
    assert wire.socket.aborted


async def test_an_answer_to_a_cancelled_wait_does_not_free_the_connection():
    """Else the task that has yet to leave would close it under its next user."""
    wire = Wire()
    waiter = wire.ask()
    waiter.cancel()
    wire.arrive(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    assert wire.free == []
    assert wire.socket.aborted


async def test_a_response_that_was_left_does_not_touch_the_connection_later():
    wire = Wire()
    first = await wire.response(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    await wire.response(CHUNKED)
    await first.aclose()
    assert not wire.socket.aborted


async def test_reading_after_leaving_is_an_error_and_not_an_end():
    wire = Wire()
    response = await wire.response(CHUNKED + b"1\r\na\r\n")
    await response.aclose()
    with pytest.raises(PlatformError, match="was left"):
        await response.read()
