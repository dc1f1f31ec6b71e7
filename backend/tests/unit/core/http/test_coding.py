import gzip
import zlib

import pytest

from app.core.http.coding import inflater
from app.domain.errors import ProviderProtocolError


def test_pieces_stay_small_however_much_a_byte_swells_to():
    stream = inflater("up", "gzip")
    assert stream is not None
    sizes = [len(piece) for piece in stream.feed(gzip.compress(bytes(10 * 2**20)))]
    assert sum(sizes) == 10 * 2**20
    assert max(sizes) <= 64 * 1024
    stream.finish()


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_no_coding_needs_no_inflater(coding):
    assert inflater("up", coding) is None


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, br"])
def test_unknown_codings_are_refused_without_repeating_them(coding):
    with pytest.raises(ProviderProtocolError) as caught:
        inflater("up", coding)
    assert coding not in caught.value.message


@pytest.mark.parametrize("wbits", [15, -15], ids=["zlib", "raw"])
def test_both_meanings_of_deflate(wbits):
    compressor = zlib.compressobj(wbits=wbits)
    body = compressor.compress(b"some words") + compressor.flush()
    for split in range(1, len(body)):
        stream = inflater("up", "deflate")
        assert stream is not None
        assert b"".join([*stream.feed(body[:split]), *stream.feed(body[split:])]) == b"some words"
        stream.finish()


def test_an_early_end_is_seen():
    stream = inflater("up", "gzip")
    assert stream is not None
    list(stream.feed(gzip.compress(b"some words")[:-1]))
    with pytest.raises(ProviderProtocolError, match="ends too early"):
        stream.finish()
