"""Streams that end badly, and the frames that are written by the encoders."""

import json
from typing import Any

import pytest

from app.domain.chat import TokenLogprob
from app.domain.errors import (
    ContextLengthExceeded,
    Overloaded,
    PlatformError,
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamError,
    UpstreamRateLimited,
)
from app.domain.events import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage
from app.wire.openai_chat import stream as chat_stream
from app.wire.openai_completions import stream as text_stream
from tests.wire.cases import frames

_SAYS = {"id": "a", "choices": [{"index": 0, "delta": {"content": "a"}, "text": "a"}]}
_ENDS = {"id": "a", "choices": [{"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}]}
_OTHER_SAYS = {"id": "a", "choices": [{"index": 1, "delta": {"content": "a"}, "text": "a"}]}
decoders = pytest.mark.parametrize("decoder", [chat_stream.StreamDecoder, text_stream.StreamDecoder])


def read(decoder: Any, stream: bytes) -> list[ChatEvent]:
    reading = decoder("acme")
    return [*reading.feed(stream), *reading.close()]


@decoders
@pytest.mark.parametrize(
    "chunks",
    [[], ["[DONE]"], [_SAYS], [_SAYS, _OTHER_SAYS, _ENDS], [_SAYS, "{"], [_SAYS, "not JSON"], ["[]"], ["1"]],
    ids=["nothing", "only its end", "no end", "one of two ends", "cut", "not JSON", "an array", "a number"],
)
def test_a_stream_that_breaks_off_is_an_error(decoder: Any, chunks: list[Any]) -> None:
    with pytest.raises(ProviderProtocolError):
        read(decoder, frames(chunks))


@decoders
@pytest.mark.parametrize(
    "stream",
    [
        frames([_SAYS, _ENDS]),
        frames([_SAYS, "[DONE]"]),
        frames([_SAYS, "[DONE]"])[:-2],
        frames([_SAYS, _ENDS])[:-1],
    ],
    ids=["no [DONE]", "no reason", "no last line end", "no last empty line"],
)
def test_a_stream_may_end_in_several_ways(decoder: Any, stream: bytes) -> None:
    events = read(decoder, stream)
    assert [type(event) for event in events[:2]] == [Started, TextDelta]


@decoders
def test_what_follows_the_end_is_passed_over(decoder: Any) -> None:
    assert len(read(decoder, frames([_SAYS, _ENDS, "[DONE]", "rubbish", _SAYS]))) == 3


@decoders
@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (b'data: {"error":{"message":"boom","type":"server_error"}}\n\n', UpstreamError),
        (b'data: {"error":"boom"}\n\n', UpstreamError),
        (b'event: error\ndata: {"message":"boom"}\n\n', UpstreamError),
        (b'data: {"error":{"message":"slow down","code":429}}\n\n', UpstreamRateLimited),
        (b'data: {"error":{"message":"too long","code":"context_length_exceeded"}}\n\n', ContextLengthExceeded),
    ],
)
def test_an_error_frame_is_raised(decoder: Any, frame: bytes, error: type[PlatformError]) -> None:
    reading = decoder("acme")
    reading.feed(frames([_SAYS]))
    with pytest.raises(error) as caught:
        reading.feed(frame)
    assert type(caught.value) is error
    assert caught.value.provider == "acme"
    assert "boom" not in caught.value.message


@decoders
def test_a_frame_without_end_is_refused(decoder: Any) -> None:
    reading, mebibyte = decoder(), b"x" * 1024 * 1024
    for _ in range(16):
        assert reading.feed(mebibyte) == []
    with pytest.raises(ProviderProtocolError, match="16,777,216"):
        reading.feed(b"x")


def test_arguments_before_their_call_are_refused() -> None:
    chunk = {
        "id": "a",
        "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "1"}}]}}],
    }
    with pytest.raises(ProviderProtocolError, match=r"function\.name"):
        read(chat_stream.StreamDecoder, frames([chunk]))


def written(encoder: Any, *events: ChatEvent) -> list[Any]:
    encoded = b"".join(encoder.encode(event) for event in events)
    return [json.loads(frame.removeprefix(b"data: ")) for frame in encoded.split(b"\n\n")[:-1]]


_STARTED = Started(id="a", model="m", created=1)
_HEAD = {"id": "a", "created": 1, "model": "m"}


def test_chat_frames() -> None:
    head = {**_HEAD, "object": "chat.completion.chunk"}
    got = written(
        chat_stream.StreamEncoder(include_usage=False),
        _STARTED,
        ReasoningDelta(text="hm"),
        ReasoningDelta(text="", signature="s"),
        TextDelta(text="a", logprobs=(TokenLogprob(token="a", logprob=-1.0),)),
        TextDelta(text='b\n"é'),
        TextDelta(text=""),
        TextDelta(text="z", choice=1),
        RefusalDelta(text="no"),
        ToolCallStarted(index=0, id="c", name="f"),
        ToolCallDelta(index=0, arguments="{}"),
        Finished(reason="stop", stop_sequence="END"),
        UsageReported(usage=Usage(input_tokens=1, output_tokens=2)),
    )
    token = {"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    want: list[dict[str, Any]] = [
        {"delta": {"role": "assistant", "content": ""}},
        {"delta": {"reasoning_content": "hm"}},
        {"delta": {"content": "a"}, "logprobs": {"content": [token]}},
        {"delta": {"content": 'b\n"é'}},
        {"delta": {"role": "assistant", "content": "z"}, "index": 1},
        {"delta": {"refusal": "no"}},
        {"delta": {"tool_calls": [call]}},
        {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}},
        {"delta": {}, "finish_reason": "stop", "stop_reason": "END"},
    ]
    plain = {"index": 0, "logprobs": None, "finish_reason": None}
    assert got == [{**head, "choices": [{**plain, **choice}]} for choice in want]


def test_text_frames() -> None:
    head = {**_HEAD, "object": "text_completion"}
    got = written(
        text_stream.StreamEncoder(include_usage=False),
        _STARTED,
        ReasoningDelta(text="hm"),
        TextDelta(text="a"),
        TextDelta(text=""),
        Finished(reason="tool_calls"),
    )
    plain = {"index": 0, "logprobs": None}
    assert got == [
        {**head, "choices": [{**plain, "text": "a", "finish_reason": None}]},
        {**head, "choices": [{**plain, "text": "", "finish_reason": "stop"}]},
    ]


@pytest.mark.parametrize(
    "event",
    [RefusalDelta(text="no"), ToolCallStarted(index=0, id="c", name="f"), ToolCallDelta(index=0, arguments="")],
)
def test_a_text_stream_holds_nothing_but_text(event: ChatEvent) -> None:
    with pytest.raises(UnsupportedFeature):
        text_stream.StreamEncoder(include_usage=False).encode(event)


@pytest.mark.parametrize("encoder", [chat_stream.StreamEncoder, text_stream.StreamEncoder])
def test_usage_stands_on_every_chunk_when_it_was_asked_for(encoder: Any) -> None:
    usage = UsageReported(usage=Usage(input_tokens=1, output_tokens=2, cached_tokens=1, reasoning_tokens=2))
    *chunks, last = written(encoder(include_usage=True), _STARTED, TextDelta(text="a"), usage)
    assert [chunk["usage"] for chunk in chunks] == [None] * len(chunks)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def test_an_error_ends_a_stream() -> None:
    frame = chat_stream.StreamEncoder(include_usage=False).error(Overloaded("Full."))
    assert frame.endswith(b"\n\n")
    assert json.loads(frame.removeprefix(b"data: ")) == {
        "error": {"message": "Full.", "type": "server_error", "param": None, "code": "overloaded"}
    }
