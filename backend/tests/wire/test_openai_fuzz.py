"""Whatever arrives, only our own errors come out."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest, UpstreamError
from app.wire import openai_embeddings
from app.wire.json_limits import check_depth
from app.wire.openai_chat import errors
from app.wire.openai_chat import request as chat_request
from app.wire.openai_chat import response as chat_response
from app.wire.openai_chat import stream as chat_stream
from app.wire.openai_chat.plain_request import decode_plain
from app.wire.openai_completions import request as text_request
from app.wire.openai_completions import response as text_response
from app.wire.openai_completions import stream as text_stream
from app.wire.sse import SSEDecoder
from tests.wire.cases import cases

_TABLES = ["openai_chat_requests", "openai_completions_requests", "openai_embeddings_requests"]
_REQUESTS = [case.values[0]["body"] for table in _TABLES for case in cases(table)]
_ANSWERS = [
    value
    for table in ("openai_chat_answers", "openai_completions_answers")
    for case in cases(table)
    for value in (case.values[0]["unary"], *case.values[0]["stream"][:-1])
]
_NAMES = sorted({word for value in (*_REQUESTS, *_ANSWERS) for word in json.dumps(value).split('"')[1::2]})
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(_NAMES)
names = st.sampled_from(_NAMES) | st.text(max_size=3)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=10
)


@st.composite
def spoiled(draw: st.DrawFn, whole: list[Any]) -> bytes:
    """A good value with one place in it changed, taken away or cut through."""
    value = json.loads(json.dumps(draw(st.sampled_from(whole))))
    place = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not (isinstance(place[key], dict | list) and place[key]) or draw(st.integers(0, 3)) == 0:
            break
        place = place[key]
    if draw(st.booleans()):
        place[key] = draw(anything)
    else:
        del place[key]
    text = json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 5)) == 0 else text


REQUESTS: list[Callable[[bytes], Any]] = [
    chat_request.peek,
    chat_request.decode,
    text_request.peek,
    text_request.decode,
    openai_embeddings.peek,
    openai_embeddings.decode,
    check_depth,
]


def _stream(decoder: Any) -> Callable[[bytes], None]:
    def read(text: bytes) -> None:
        reading = decoder()
        reading.feed(b"data: " + text.replace(b"\n", b" ") + b"\n\n" + text)
        reading.close()

    return read


ANSWERS: list[Callable[[bytes], Any]] = [
    chat_response.decode,
    text_response.decode,
    openai_embeddings.decode_response,
    _stream(chat_stream.StreamDecoder),
    _stream(text_stream.StreamDecoder),
]
_SETTINGS = settings(max_examples=400, deadline=None)


@_SETTINGS
@given(st.binary() | spoiled(_REQUESTS) | anything.map(lambda value: json.dumps(value).encode("utf-8", "replace")))
def test_requests(body: bytes) -> None:
    for read in REQUESTS:
        with suppress(InvalidRequest):
            read(body)


PLAIN: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 1,
    "top_p": 0.5,
    "presence_penalty": 0,
    "frequency_penalty": 0.0,
    "seed": 7,
    "user": "u",
}
LIMITS = [{"max_tokens": 5}, {"max_completion_tokens": 6}, {"max_completion_tokens": 6, "max_tokens": 5}]
PLAINS = [PLAIN, {**PLAIN, "stream": False}, *({**PLAIN, **limits} for limits in LIMITS)]


@pytest.mark.parametrize("value", PLAINS)
def test_a_plain_request_goes_the_short_way(value: dict[str, Any]) -> None:
    assert decode_plain(json.dumps(value).encode()) is not None


@_SETTINGS
@given(spoiled(PLAINS))
def test_the_short_way_reads_what_the_long_way_does(body: bytes) -> None:
    if (plain := decode_plain(body)) is not None:
        long = chat_request.decode_any(body)
        assert plain == long
        assert chat_request.encode(plain) == chat_request.encode(long)


@_SETTINGS
@given(spoiled(_REQUESTS))
def test_what_is_read_can_be_written(body: bytes) -> None:
    for module in (chat_request, text_request, openai_embeddings):
        with suppress(InvalidRequest):
            decoded = module.decode(body)
            assert module.decode(module.encode(decoded)).model == decoded.model


@_SETTINGS
@given(st.binary() | spoiled(_ANSWERS) | anything.map(lambda value: json.dumps(value).encode("utf-8", "replace")))
def test_answers(text: bytes) -> None:
    for read in ANSWERS:
        with suppress(UpstreamError, InvalidRequest):  # An error object may say that the request is at fault.
            read(text)


@_SETTINGS
@given(
    st.integers(300, 599),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text()),
    st.binary() | anything.map(lambda value: json.dumps({"error": value}).encode("utf-8", "replace")),
)
def test_provider_errors(status: int, headers: dict[str, str], body: bytes) -> None:
    error = errors.decode(status, headers, body, "acme")
    errors.encode(error)
    assert len(error.message) <= 500


@_SETTINGS
@given(st.lists(st.binary()))
def test_event_streams(pieces: list[bytes]) -> None:
    decoder = SSEDecoder()
    for piece in pieces:
        decoder.feed(piece)
    decoder.close()


@pytest.mark.parametrize("read", ANSWERS)
def test_deep_answers(read: Callable[[bytes], Any]) -> None:
    with pytest.raises(UpstreamError):
        read(b'{"choices":' * 50_000)
