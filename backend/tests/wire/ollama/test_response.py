"""Ollama's lines as events: the vendor's shapes, every split of a stream, and streams that go wrong."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.domain.chat import ChatResult, TokenLogprob
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import (
    ContextLengthExceeded,
    ModelNotFound,
    PlatformError,
    ProviderProtocolError,
    UpstreamError,
)
from app.domain.events import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.streams import collect
from app.domain.usage import Usage
from app.integrations.model_platforms.ollama.response import StreamDecoder, decode_embeddings

AT = "2023-08-04T08:52:19.385406455-07:00"
STARTED = Started(id="req-1", model="demo:latest", created=1691164339)
HEAD: dict[str, Any] = {"model": "demo:latest", "created_at": AT}
DONE: dict[str, Any] = {
    **HEAD,
    "done": True,
    "done_reason": "stop",
    "total_duration": 9,
    "load_duration": 1,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 2,
    "eval_count": 3,
    "eval_duration": 5,
}
USAGE = UsageReported(
    usage=Usage(
        input_tokens=26,
        output_tokens=3,
        extensions={
            "ollama": {"total_duration": 9, "load_duration": 1, "prompt_eval_duration": 2, "eval_duration": 5}
        },
    )
)


def says(done: bool = False, **message: Any) -> dict[str, Any]:
    head = DONE if done else {**HEAD, "done": False}
    return {**head, "message": {"role": "assistant", "content": "", **message}}


def wire(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines)


def decoder(**fields: Any) -> StreamDecoder:
    return StreamDecoder(**{"provider": "ollama", "model": "demo:latest", "id": "req-1", **fields})


def decode(data: bytes, **fields: Any) -> list[ChatEvent]:
    reader = decoder(**fields)
    return [*reader.feed(data), *reader.close()]


CALL = {"id": "call_7", "function": {"index": 0, "name": "weather", "arguments": {"b": 1, "a": "é"}}}
STREAMS = {
    "chat": (
        wire(says(content="Why, "), says(content="né ☁"), says(done=True)),
        [STARTED, TextDelta(text="Why, "), TextDelta(text="né ☁"), Finished(reason="stop"), USAGE],
    ),
    "generate": (
        wire(
            {**HEAD, "response": "A", "done": False},
            {**HEAD, "thinking": "hm"},
            {**DONE, "response": "", "context": [1]},
        ),
        [STARTED, TextDelta(text="A"), ReasoningDelta(text="hm"), Finished(reason="stop"), USAGE],
    ),
    "thinking": (
        wire(says(thinking="hm"), says(content="Yes"), says(done=True)),
        [STARTED, ReasoningDelta(text="hm"), TextDelta(text="Yes"), Finished(reason="stop"), USAGE],
    ),
    "tools": (
        wire(
            says(tool_calls=[CALL]), says(tool_calls=[{"id": "x", "function": {"name": "now"}}]), says(done=True)
        ),
        [
            STARTED,
            ToolCallStarted(index=0, id="call_7", name="weather"),
            ToolCallDelta(index=0, arguments='{"b":1,"a":"é"}'),
            ToolCallStarted(index=1, id="x", name="now"),
            ToolCallDelta(index=1, arguments="{}"),
            Finished(reason="tool_calls"),
            USAGE,
        ],
    ),
    "tools without ids": (
        wire(
            says(tool_calls=[CALL]),
            says(tool_calls=[{"function": {"name": "now"}}]),
            says(done=True, tool_calls=[{"function": {"name": "then", "arguments": None}}]),
        ),
        [
            STARTED,
            ToolCallStarted(index=0, id="call_7", name="weather"),
            ToolCallDelta(index=0, arguments='{"b":1,"a":"é"}'),
            ToolCallStarted(index=1, id="call_req-1_1", name="now"),
            ToolCallDelta(index=1, arguments="{}"),
            ToolCallStarted(index=2, id="call_req-1_2", name="then"),
            ToolCallDelta(index=2, arguments="{}"),
            Finished(reason="tool_calls"),
            USAGE,
        ],
    ),
    "log probabilities": (
        wire(
            {
                **says(content="A"),
                "logprobs": [
                    {
                        "token": "A",
                        "logprob": -0.5,
                        "bytes": [65],
                        "top_logprobs": [{"token": "B", "logprob": -1.5}],
                    }
                ],
            },
            {**says(), "logprobs": [{"token": "held", "logprob": -2.0}]},
            says(done=True),
        ),
        [
            STARTED,
            TextDelta(
                text="A",
                logprobs=(
                    TokenLogprob(
                        token="A", logprob=-0.5, bytes=(65,), top=(TokenLogprob(token="B", logprob=-1.5),)
                    ),
                ),
            ),
            TextDelta(text="", logprobs=(TokenLogprob(token="held", logprob=-2.0),)),
            Finished(reason="stop"),
            USAGE,
        ],
    ),
    "cut by num_predict": (
        wire(says(content="A"), {**says(done=True), "done_reason": "length"}),
        [STARTED, TextDelta(text="A"), Finished(reason="length"), USAGE],
    ),
    "only loaded": (
        wire({"model": "demo:latest", "created_at": AT, "response": "", "done": True, "done_reason": "load"}),
        [STARTED, Finished(reason="stop"), UsageReported(usage=Usage())],
    ),
    "blank lines, an unknown field, nothing after the end counts": (
        b"\n"
        + wire({**says(content="A"), "new": {"x": 1}})
        + b"\r\n"
        + wire(says(done=True), says(content="late")),
        [STARTED, TextDelta(text="A"), Finished(reason="stop"), USAGE],
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str) -> None:
    data, want = STREAMS[name]
    assert decode(data) == want


@pytest.mark.parametrize("name", STREAMS)
def test_every_split_of_a_stream_decodes_alike(name: str) -> None:
    data, want = STREAMS[name]
    for cut in range(len(data) + 1):
        reader = decoder()
        assert [*reader.feed(data[:cut]), *reader.feed(data[cut:]), *reader.close()] == want


def test_byte_by_byte_and_without_a_last_line_end() -> None:
    data, want = STREAMS["chat"]
    reader = decoder()
    events = [event for byte in data.rstrip() for event in reader.feed(bytes([byte]))]
    assert [*events, *reader.close()] == want


async def collected(data: bytes) -> ChatResult:
    async def events() -> AsyncIterator[ChatEvent]:
        for event in decode(data):
            yield event

    return await collect(events())


@pytest.mark.parametrize(
    ("stream", "unary"),
    [
        (STREAMS["chat"][0], says(done=True, content="Why, né ☁")),
        (STREAMS["thinking"][0], says(done=True, content="Yes", thinking="hm")),
        (
            STREAMS["tools"][0],
            says(
                done=True,
                tool_calls=[CALL, {"id": "x", "function": {"name": "now"}}],
            ),
        ),
        (
            wire({**HEAD, "thinking": "h"}, {**HEAD, "thinking": "m"}, {**HEAD, "response": "A"}, DONE),
            {**DONE, "response": "A", "thinking": "hm"},
        ),
    ],
)
async def test_a_stream_says_what_its_unary_twin_says(stream: bytes, unary: dict[str, Any]) -> None:
    assert await collected(stream) == await collected(wire(unary))


def test_a_choice() -> None:
    events = decode(STREAMS["tools without ids"][0], choice=2)
    assert {getattr(event, "choice", 2) for event in events} == {2}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(wire(says(content="A"), {"error": "it broke"}), UpstreamError, id="an error line"),
        pytest.param(
            wire({"error": "an error: request (9 tokens) exceeds the available context size (8 tokens)"}),
            ContextLengthExceeded,
            id="too long",
        ),
        pytest.param(wire({"error": "model 'x' not found, try pulling it first"}), ModelNotFound, id="gone"),
        pytest.param(wire(says(content="A")), ProviderProtocolError, id="no end"),
        pytest.param(b"", ProviderProtocolError, id="nothing at all"),
        pytest.param(wire(says(content="A")) + b'{"mess', ProviderProtocolError, id="cut within a line"),
        pytest.param(b"<html>\n", ProviderProtocolError, id="not JSON"),
        pytest.param(b"[1]\n", ProviderProtocolError, id="not an object"),
        pytest.param(wire({**HEAD, "message": "text"}), ProviderProtocolError, id="a message of the wrong kind"),
        pytest.param(b'{"model": "\xff"}\n', ProviderProtocolError, id="not UTF-8"),
        pytest.param(
            wire(says(tool_calls=[{"function": {"arguments": {}}}])), ProviderProtocolError, id="a nameless tool"
        ),
    ],
)
def test_bad_streams(data: bytes, kind: type[PlatformError]) -> None:
    with pytest.raises(kind) as caught:
        decode(data)
    assert type(caught.value) is kind
    assert caught.value.provider == "ollama"
    assert "it broke" not in caught.value.message
    assert "html" not in caught.value.message


@pytest.mark.parametrize(("num_ctx", "fits"), [(26, False), (20, False), (27, True), (None, True)])
def test_a_prompt_that_filled_the_context_was_cut(num_ctx: int | None, fits: bool) -> None:
    if fits:
        assert decode(STREAMS["chat"][0], num_ctx=num_ctx)[-1] == USAGE
    else:
        with pytest.raises(ContextLengthExceeded):
            decode(STREAMS["chat"][0], num_ctx=num_ctx)


@pytest.mark.parametrize("created_at", ["", "yesterday", "0001-01-01T00:00:00Z"])
def test_a_time_that_is_none_is_zero(created_at: str) -> None:
    started = decode(wire({**says(done=True), "created_at": created_at}))[0]
    assert isinstance(started, Started)
    assert started.created == 0


def test_embeddings() -> None:
    body = b'{"model":"v:latest","embeddings":[[0.5,-1],[0,1e-3]],"total_duration":4,"prompt_eval_count":7}'
    assert decode_embeddings(body, provider="ollama", model="v", expected=2) == EmbeddingResult(
        model="v:latest", vectors=((0.5, -1.0), (0.0, 0.001)), usage=Usage(input_tokens=7)
    )


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"oops", b'{"embeddings":[["a"]]}', b'{"embeddings":[[1.0]]}', b'{"embeddings":"\xff"}']
)
def test_bad_embeddings(body: bytes) -> None:
    with pytest.raises(ProviderProtocolError):
        decode_embeddings(body, provider="ollama", model="v", expected=2)
