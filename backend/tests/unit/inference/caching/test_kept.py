"""An answer as bytes: what comes back, and what is not worth it."""

import pytest

from app.domain.chat import TokenLogprob
from app.domain.embeddings import EmbeddingResult
from app.domain.events import (
    Finished,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage
from app.inference.caching.kept import RUN_BYTES, decode, encode, size_of, worth_keeping
from tests.unit.inference.caching.room import FRAMES, HELLO

EVERYTHING: list[StreamEvent] = [
    Started(id="1", model="m", created=5, extensions={"f": {"result": {"a": [1, 2.5, None, {"b": "é"}]}}}),
    ReasoningDelta(text="hm", signature="s"),
    TextDelta(text="x", choice=1, logprobs=(TokenLogprob(token="x", logprob=-0.1, bytes=(1, 2)),)),
    RefusalDelta(text="no"),
    ToolCallStarted(index=0, id="c", name="n"),
    ToolCallDelta(index=0, arguments="{}"),
    Finished(reason="tool_calls", stop_sequence="END"),
    UsageReported(usage=Usage(input_tokens=1, cached_tokens=1, estimated=True)),
    EmbeddingResult(model="m", vectors=((0.25, 1e-9), (3.0, 4.0)), usage=Usage(input_tokens=2)),
    Opaque("f", b"\x00\xff", whole=True),
    Opaque("f", b"data: [DONE]\n\n", last=True),
]


def test_every_kind_of_event_comes_back_as_it_was() -> None:
    assert decode(encode(EVERYTHING)) == EVERYTHING


def test_runs_of_frames_come_back_together_up_to_a_bound() -> None:
    first, second = b"data: 1\n\n", b"x" * RUN_BYTES
    frames = [Opaque("f", first), Opaque("f", second), Opaque("f", first), Opaque("g", first), Opaque("g", first)]
    assert decode(encode(frames)) == [Opaque("f", first + second), Opaque("f", first), Opaque("g", first * 2)]
    assert decode(encode(FRAMES)) == [Opaque("f", b"data: 1\n\ndata: 2\n\n"), *FRAMES[2:]]


@pytest.mark.parametrize("value", [b"", b"\xff", b"\x91\x80", encode(HELLO)[:-1], b'[{"type":"text"}]'])
def test_what_nobody_here_wrote_is_nothing(value: bytes) -> None:
    assert decode(value) is None


def test_the_size_of_an_event_is_about_what_it_takes() -> None:
    assert size_of(Opaque("f", b"x" * 1000)) == 1000
    assert 1000 < size_of(TextDelta(text="x" * 1000)) < 1100


def finished(reason: str) -> list[StreamEvent]:
    return [*HELLO[:-2], Finished(reason=reason)]  # type: ignore[arg-type]


def opaque(format: str, data: bytes) -> list[StreamEvent]:
    return [Opaque(format, b"data: {}\n\n"), Opaque(format, data)]


@pytest.mark.parametrize(
    ("events", "worth"),
    [
        (HELLO, True),
        (finished("length"), True),
        (finished("tool_calls"), True),
        (finished("content_filter"), False),
        (finished("error"), False),
        ([HELLO[0], RefusalDelta(text="I can't."), Finished(reason="stop")], False),
        (opaque("openai_chat", b'{"finish_reason":"stop","refusal":null}'), True),
        (opaque("openai_chat", b'{"finish_reason": "content_filter"}'), False),
        (opaque("openai_chat", b'{"message":{"refusal": "No."}}'), False),
        (opaque("openai_chat", rb'{"content":"\"finish_reason\":\"content_filter\""}'), True),
        (opaque("openai_chat", b'{"content_filter_results":{"hate":{"filtered":false}}}'), True),
        (opaque("openai_completions", b'{"finish_reason":"content_filter"}'), False),
        (opaque("anthropic_messages", b'{"stop_reason":"end_turn"}'), True),
        (opaque("anthropic_messages", b'{"stop_reason":"refusal"}'), False),
        (opaque("openai_responses", b'{"status":"incomplete","reason":"max_output_tokens"}'), True),
        (opaque("openai_responses", b'{"incomplete_details":{"reason":"content_filter"}}'), False),
        (opaque("openai_responses", b'{"type":"refusal","refusal":"No."}'), False),
        (opaque("openai_responses", b'{"status": "failed"}'), False),
        (opaque("openai_embeddings", b"{}"), True),
    ],
)
def test_what_the_provider_refused_or_cut_is_not_worth_keeping(events: list[StreamEvent], worth: bool) -> None:
    assert worth_keeping(events) is worth
