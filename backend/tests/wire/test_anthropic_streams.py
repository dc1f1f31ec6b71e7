"""Streams that end badly, and whatever else may arrive: only our own errors come out."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest, PlatformError, ProviderProtocolError, UpstreamError
from app.domain.events import Finished, Started, TextDelta, ToolCallDelta, ToolCallStarted
from app.wire.anthropic_messages import errors, request, response
from app.wire.anthropic_messages.portable import portable
from app.wire.anthropic_messages.stream import StreamDecoder, StreamEncoder
from tests.wire.anthropic_frames import events_of, frames
from tests.wire.cases import cases
from tests.wire.test_openai_fuzz import anything, spoiled

START = {"type": "message_start", "message": {"id": "a", "model": "m", "usage": {"input_tokens": 1}}}
BEGIN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
SAYS = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}
STOP = {"type": "content_block_stop", "index": 0}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}
LAST = {"type": "message_stop"}
WHOLE = [START, BEGIN, SAYS, STOP, END, LAST]


def read(events: list[Any]) -> list[Any]:
    decoder = StreamDecoder("acme")
    return [*decoder.feed(frames(events)), *decoder.close()]


@pytest.mark.parametrize("events", [[], WHOLE[:1], WHOLE[:4], WHOLE[1:], [START, SAYS], [START, STOP], [LAST]])
def test_a_stream_that_breaks_off_or_makes_no_sense_is_an_error(events: list[Any]) -> None:
    with pytest.raises(ProviderProtocolError):
        read(events)


@pytest.mark.parametrize("events", [WHOLE, WHOLE[:5], [*WHOLE, SAYS], [START, START, *WHOLE[1:]]])
def test_a_stream_may_end_in_several_ways(events: list[Any]) -> None:
    kinds = [type(event).__name__ for event in read(events)]
    assert kinds == ["Started", "TextDelta", "Finished", "UsageReported"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("overloaded_error", "UpstreamUnavailable"),
        ("rate_limit_error", "UpstreamRateLimited"),
        ("x", "UpstreamError"),
    ],
)
def test_an_error_event_is_raised(kind: str, error: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        read([START, {"type": "error", "error": {"type": kind, "message": "secret"}}])
    assert (type(caught.value).__name__, caught.value.provider) == (error, "acme")
    assert "secret" not in caught.value.message


def test_arguments_for_a_call_that_is_over_are_refused() -> None:
    encoder = StreamEncoder()
    encoder.encode(ToolCallStarted(index=0, id="a", name="f"))
    encoder.encode(TextDelta(text="so"))
    with pytest.raises(ProviderProtocolError):
        encoder.encode(ToolCallDelta(index=0, arguments="{}"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(['{"a":', "1", "}", "{}"]) | st.none()), max_size=12))
def test_calls_in_any_order_keep_their_arguments_and_never_overlap(steps: list[tuple[int, str | None]]) -> None:
    encoder, want = StreamEncoder(), dict[str, str]()
    stream = encoder.encode(Started(id="a", model="m", created=0))
    for index, piece in steps:
        if str(index) not in want:
            want[str(index)] = ""
            stream += encoder.encode(ToolCallStarted(index=index, id=str(index), name="f"))
        elif piece is not None:
            with suppress(ProviderProtocolError):
                stream += encoder.encode(ToolCallDelta(index=index, arguments=piece))
                want[str(index)] += piece
    stream += encoder.encode(Finished(reason="tool_calls")) + encoder.end()
    got: dict[str, str] = {}
    opened: str | None = None
    for event in events_of(stream):
        if event["type"] == "content_block_start":
            assert opened is None
            opened = event["content_block"]["id"]
            got[opened] = ""
        elif event["type"] == "content_block_delta":
            assert opened is not None
            got[opened] += event["delta"]["partial_json"]
        elif event["type"] == "content_block_stop":
            opened = None
    assert got == want


_REQUESTS = [case.values[0]["body"] for case in cases("anthropic_requests")]
_ANSWERS = [case.values[0] for case in cases("anthropic_answers")]
_WHOLE = [case["unary"] for case in _ANSWERS]
_STREAMS = [event for case in _ANSWERS for event in case["stream"]]
_SETTINGS = settings(max_examples=300, deadline=None)
RUBBISH = st.binary() | anything.map(lambda value: json.dumps(value).encode("utf-8", "replace"))


@_SETTINGS
@given(RUBBISH | spoiled(_REQUESTS))
def test_requests(body: bytes) -> None:
    for each in (request.peek, request.peek_count, request.decode):
        with suppress(InvalidRequest):
            each(body)


@_SETTINGS
@given(spoiled(_REQUESTS))
def test_what_is_read_can_be_written(body: bytes) -> None:
    with suppress(InvalidRequest):
        decoded = request.decode(body)
        assert request.decode(request.encode(decoded)).model == decoded.model
        portable(decoded)


@_SETTINGS
@given(RUBBISH | spoiled(_WHOLE))
def test_answers(body: bytes) -> None:
    with suppress(UpstreamError, InvalidRequest):
        response.encode(response.decode(body))


class LongWay(StreamDecoder):
    def _read_text(self, data: bytes, events: list[Any]) -> bool:
        return False


@_SETTINGS
@given(spoiled([SAYS]))
def test_the_short_way_reads_what_the_long_way_does(piece: bytes) -> None:
    def heard(decoder: StreamDecoder) -> Any:
        try:
            return decoder.feed(frames([START, BEGIN]) + b"data: " + piece + b"\n\n")
        except UpstreamError as error:
            return str(error)

    assert heard(StreamDecoder("acme")) == heard(LongWay("acme"))


@_SETTINGS
@given(st.lists(spoiled(_STREAMS) | RUBBISH, max_size=4))
def test_streams(pieces: list[bytes]) -> None:
    text = frames([START, BEGIN]) + b"".join(
        b"data: " + piece.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n" for piece in pieces
    )
    decoder, encoder = StreamDecoder(), StreamEncoder()
    with suppress(UpstreamError, InvalidRequest):
        for event in [*decoder.feed(text), *decoder.close()]:
            encoder.encode(event)
        encoder.end()


@_SETTINGS
@given(st.integers(300, 599), RUBBISH | anything.map(lambda value: json.dumps({"error": value}).encode()))
def test_provider_errors(status: int, body: bytes) -> None:
    error = errors.decode(status, {}, body, "acme")
    assert isinstance(error, PlatformError)
    errors.encode(error)


@pytest.mark.parametrize("read", [response.decode, lambda text: StreamDecoder().feed(b"data: " + text + b"\n\n")])
def test_deep_answers(read: Callable[[bytes], Any]) -> None:
    with pytest.raises(UpstreamError):
        read(b'{"content":' * 50_000)
