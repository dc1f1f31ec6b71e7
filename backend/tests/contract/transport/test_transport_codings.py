"""Compressed bodies, though every request asks for none."""

import gzip
import zlib
from contextlib import aclosing

import pytest

from app.domain.errors import ProviderProtocolError
from tests.contract.transport.exchanges import CHUNKED, GET, always, fetch, until_ended
from tests.servers.raw_peer import Call, raw_peer

TEXT = b"the same words again and again, " * 5000


def _raw_deflate(plain: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(plain) + stream.flush()


def _gzip(plain: bytes) -> bytes:
    """Without the time: what a test is called must be the same in every process that collects it."""
    return gzip.compress(plain, mtime=0)


CODED = [
    ("gzip", _gzip(TEXT)),
    ("GZIP", _gzip(TEXT)),
    ("x-gzip", _gzip(TEXT)),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", _raw_deflate(TEXT)),
    ("identity", TEXT),
]


@pytest.mark.parametrize(("coding", "body"), CODED)
async def test_undoes_a_coding_that_was_not_asked_for(connect, coding, body):
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with raw_peer(always(head + body)) as peer:
        transport = connect(peer.url)
        assert await fetch(transport) == (200, TEXT)
        async with aclosing(await transport.open(GET)) as response:
            assert b"".join([chunk async for chunk in response.chunks()]) == TEXT
        assert len(peer.calls) == 1
        assert peer.requests[0].headers["accept-encoding"] == "identity"


async def test_undoes_a_coding_that_comes_byte_by_byte(connect):
    body = _gzip(b"few words")
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with raw_peer(always(head + body, bytewise=True)) as peer:
        assert await fetch(connect(peer.url)) == (200, b"few words")


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("br", b"whatever"),
        ("gzip, gzip", _gzip(_gzip(b"x"))),
        ("gzip", b"not gzip at all"),
        ("gzip", _gzip(TEXT)[:-9]),
        ("gzip", _gzip(b"x") + b"and more"),
    ],
)
async def test_refuses_a_coding_it_cannot_undo(connect, coding, body):
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with raw_peer(always(head + body)) as peer:
        with pytest.raises(ProviderProtocolError):
            await fetch(connect(peer.url))


async def test_refusing_a_coding_closes_the_connection(connect):
    async def script(call: Call) -> None:
        await call.request()
        await call.send(CHUNKED[:-2] + b"content-encoding: br\r\n\r\n")
        await call.until_gone()

    async with raw_peer(script) as peer:
        with pytest.raises(ProviderProtocolError, match="content coding"):
            await connect(peer.url).open(GET)
        await until_ended(peer.calls[0])


async def test_a_small_body_that_swells_is_cut_off_at_the_limit(connect):
    body = _gzip(bytes(50 * 2**20))
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with raw_peer(always(head + body)) as peer, aclosing(await connect(peer.url).open(GET)) as response:
        with pytest.raises(ProviderProtocolError, match="more than 1000 bytes"):
            await response.read(limit=1000)
