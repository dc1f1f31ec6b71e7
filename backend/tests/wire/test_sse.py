"""Frames and lines cut out of byte streams, however the bytes arrive."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import ProviderProtocolError
from app.wire.ndjson import LineSplitter
from app.wire.sse import FrameSplitter, SSEDecoder, SSEEvent


def event(data: str, event: str = "message", id: str = "") -> SSEEvent:
    return SSEEvent(event=event, data=data.encode(), id=id)


@pytest.mark.parametrize(
    ("stream", "want"),
    [
        (b"data: a\n\n", [event("a")]),
        (b"data:a\n\n", [event("a")]),
        (b"data:  a \n\n", [event(" a ")]),
        (b"data: a\ndata: b\ndata\n\n", [event("a\nb\n")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [event("a", "x"), event("b")]),
        (b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", [event("a", id="1"), event("b", id="1"), event("c")]),
        (b"id: a\0b\ndata: a\n\n", [event("a")]),
        (b": comment\n\n:\n\ndata: a\n\n", [event("a")]),
        (b"event: ping\n\ndata: a\n\n", [event("a")]),
        (b"retry: 5\nother: x\ndata: a\n\n", [event("a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [event("a")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [event("a"), event("b")]),
        (b"data: a\r\rdata: b\r\r", [event("a"), event("b")]),
        (b"data: a\n\r\ndata: b\r\n\n", [event("a"), event("b")]),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n", [event("a"), event("b")]),
        (b"data: \xe2\x80\xa8\x0b\x0c\x1c\n\n", [event("\u2028\x0b\x0c\x1c")]),
        (b"data: a", [event("a")]),
        (b"data: a\n", [event("a")]),
        (b"", []),
    ],
)
def test_events(stream: bytes, want: list[SSEEvent]) -> None:
    def read(*pieces: bytes) -> list[SSEEvent]:
        decoder = SSEDecoder()
        return [*(event for piece in pieces for event in decoder.feed(piece)), *decoder.close()]

    assert read(stream) == want
    for cut in range(len(stream)):
        assert read(stream[:cut], stream[cut:]) == want
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == want


PIECES = [b"data: a", b"data: ", b"event: x", b"event: ", b"id: 1", b"\n", b"\r\n", b"\r", b"\n\n", b"x"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=20))
def test_the_short_way_reads_what_the_long_way_does(pieces: list[bytes]) -> None:
    stream = b"".join(pieces) + b"\n\n"
    # Behind a comment everything goes the long way.
    assert SSEDecoder().feed(stream) == SSEDecoder().feed(b":\n\n" + stream)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_a_frame_is_given_as_soon_as_it_is_whole(end: bytes) -> None:
    splitter = FrameSplitter()
    assert splitter.feed(b"data: a" + end[:-1]) == b""
    assert splitter.feed(end[-1:] + b"data: b") == b"data: a" + end
    assert splitter.pending == b"data: b"
    assert splitter.feed(end + b"data: c" + end + b"d") == b"data: b" + end + b"data: c" + end
    assert splitter.pending == b"d"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b"data: a", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r", b"x"]), max_size=20), st.data()
)
def test_no_byte_is_lost_and_no_frame_cut(pieces: list[bytes], data: Any) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    splitter = FrameSplitter()
    runs = [splitter.feed(stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert b"".join(runs) + splitter.pending == stream
    assert all(run.endswith((b"\n\n", b"\n\r\n", b"\r\r")) for run in runs if run)


@pytest.mark.parametrize("splitter_type", [FrameSplitter, SSEDecoder, LineSplitter])
def test_what_never_ends_is_refused(splitter_type: Any) -> None:
    splitter = splitter_type(100)
    for _ in range(10):
        assert not splitter.feed(b"data: abcd")
    with pytest.raises(ProviderProtocolError, match="more than 100 bytes"):
        splitter.feed(b"e")


def test_lines() -> None:
    stream = b'{"a":1}\n\n{"b":2}\r\n  \n{"c":3}'
    for cut in range(len(stream)):
        splitter = LineSplitter()
        lines = [*splitter.feed(stream[:cut]), *splitter.feed(stream[cut:]), *splitter.flush()]
        assert lines == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
        assert splitter.flush() == []
