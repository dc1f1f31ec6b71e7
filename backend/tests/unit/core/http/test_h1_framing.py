"""Where a response begins and ends: every split, every early end, and what is refused."""

import pytest

from app.domain.errors import ProviderProtocolError, UpstreamUnavailable
from tests.unit.core.http.h1_wire import CHUNKED, Wire, whole

MESSAGES = [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nhello", b"hello"),
    (CHUNKED + b"5;a=b\r\nhello\r\n6;c\r\n world\r\n0;d\r\nx-trailer: 1\r\n\r\n", b"hello world"),
    (b"HTTP/1.1 103 Hints\r\nlink: z\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
]


@pytest.mark.parametrize(("message", "body"), MESSAGES)
async def test_every_split_reads_the_same_and_gives_the_connection_back(message, body):
    wire = Wire()
    for split in range(len(message) + 1):
        waiter = wire.ask()
        wire.arrive(message[:split])
        wire.arrive(message[split:])
        response = await waiter
        assert response is not None
        assert not {"x-trailer", "link"} & response.headers.keys()
        assert await response.read() == body
        assert wire.free == [wire.connection]
        wire.free.clear()
    assert not wire.socket.aborted


@pytest.mark.parametrize(("message", "body"), MESSAGES)
async def test_an_end_at_any_byte_before_the_last_is_an_error(message, body):
    for cut in range(1, len(message)):
        wire = Wire()
        waiter = wire.ask()
        wire.arrive(message[:cut])
        wire.connection.eof_received()
        with pytest.raises(UpstreamUnavailable):
            await whole(waiter)
        assert wire.free == []


ENDLESS = {
    "header lines": (b"HTTP/1.1 200 OK\r\n", b"x: yyyyyyyy\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nx: ", b"y" * 50),
    "informational": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "chunk extension": (CHUNKED + b"5;x=", b"y" * 50),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\n", b"x: yyyyyyyy\r\n"),
}


@pytest.mark.parametrize(("first", "more"), ENDLESS.values(), ids=ENDLESS)
async def test_what_is_not_body_is_bounded(first, more):
    wire = Wire(head_bytes=4096)
    waiter = wire.ask()
    wire.arrive(first)
    received = len(first)
    while not wire.socket.aborted:
        wire.arrive(more)
        received += len(more)
        assert received < 6000
    with pytest.raises(ProviderProtocolError, match="too large"):
        await whole(waiter)


async def test_framing_between_body_bytes_is_not_counted_together():
    wire = Wire(head_bytes=64)
    response = await wire.response(CHUNKED)
    for _ in range(1000):
        wire.arrive(b"1\r\n")
        wire.arrive(b"a\r\n")
    wire.arrive(b"0\r\n\r\n")
    assert await response.read() == b"a" * 1000


async def test_a_head_that_is_too_large_though_it_came_at_once():
    wire = Wire(head_bytes=4096)
    waiter = wire.ask()
    wire.arrive(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 4096 + b"\r\ncontent-length: 0\r\n\r\n")
    with pytest.raises(ProviderProtocolError, match="too large"):
        await waiter


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"identity"])
async def test_a_transfer_coding_other_than_chunked_is_refused(coding):
    wire = Wire()
    waiter = wire.ask()
    wire.arrive(b"HTTP/1.1 200 OK\r\ntransfer-encoding: " + coding + b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    with pytest.raises(ProviderProtocolError):
        await waiter
    assert wire.socket.aborted


STRICT = {
    "a length beside chunks": CHUNKED[:-2] + b"content-length: 2\r\n\r\n0\r\n\r\n",
    "the same length twice": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
    "a folded header": b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
    "a bare line feed": b"HTTP/1.1 200 OK\ncontent-length: 2\r\n\r\nok",
    "a space before the colon": b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
    "upgrade": b"HTTP/1.1 101 Go\r\n\r\n",
}


@pytest.mark.parametrize("message", STRICT.values(), ids=STRICT)
async def test_doubtful_framing_is_refused(message):
    wire = Wire()
    waiter = wire.ask()
    wire.arrive(message)
    with pytest.raises(ProviderProtocolError):
        await waiter
    assert wire.socket.aborted
