"""What the stage notes of an answer, whatever its format, and that it stays away where nobody records."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from app.domain.chat import ChatRequest
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import InvalidRequest, UpstreamError
from app.domain.events import EventStream, Finished, Opaque, Started, StreamEvent, TextDelta
from app.domain.exchange import Encoded
from app.domain.tracing import SAMPLED, Told, Trace
from app.inference.call import Call
from app.inference.stages.trace import TraceCalls, note

OPENAI = (
    b'data: {"id":"c-1","model":"gpt","choices":[{"delta":{"content":"A \\"id\\": \\"no\\" "},'
    b'"finish_reason":null}]}\n\n',
    b'data: {"id":"c-1","model":"gpt","choices":[{"delta":{"content":"pod."},"finish_reason":null}]}\n\n',
    b'data: {"id":"c-1","model":"gpt","choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
)
ANTHROPIC = (
    b'event: message_start\ndata: {"message":{"id":"m-1","model":"claude","content":[]}}\n\n',
    b'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"A \\u00b5 pod."}}\n\n',
    b'event: message_delta\ndata: {"delta":{"stop_reason":"end_turn"}}\n\n',
)
RESPONSES = (
    b'event: response.created\ndata: {"response":{"id":"resp_1","model":"gpt","output":[]}}\n\n',
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"A pod."}\n\n',
    b'event: response.output_text.done\ndata: {"type":"response.output_text.done","text":"A pod."}\n\n',
)
Seen = tuple[str | None, str | None, list[str], str]

ANSWERS: dict[str, tuple[list[StreamEvent], Seen]] = {
    "events": (
        [Started(id="e", model="m", created=0), TextDelta(text="A pod."), Finished(reason="stop")],
        ("e", "m", ["stop"], "A pod."),
    ),
    "vectors": ([EmbeddingResult(model="m", vectors=((1.0,),))], (None, "m", [], "")),
    "OpenAI, stream": (
        [Opaque("openai_chat", frame) for frame in OPENAI],
        ("c-1", "gpt", ["stop"], 'A "id": "no" pod.'),
    ),
    "OpenAI, whole": (
        [
            Opaque(
                "openai_chat",
                b'{"id": "c-1", "choices": [{"message": {"role": "assistant", "content": "A pod."},'
                b' "finish_reason": "length"}], "model": "gpt"}',
                whole=True,
            )
        ],
        ("c-1", "gpt", ["length"], "A pod."),
    ),
    "Anthropic, stream": (
        [Opaque("anthropic_messages", frame) for frame in ANTHROPIC],
        ("m-1", "claude", ["end_turn"], "A µ pod."),
    ),
    "Responses, stream": (
        [Opaque("openai_responses", frame) for frame in RESPONSES],
        ("resp_1", "gpt", [], "A pod."),
    ),
    "nonsense": ([Opaque("openai_chat", b'{"content":"\\ud800"}\xff')], (None, None, [], "")),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_an_answer_says_of_itself(case: str) -> None:
    events, seen = ANSWERS[case]
    told = Told(lambda: None, most=100)
    for event in events:
        note(event, told)
    assert (told.id, told.model, told.reasons, told.text) == seen


@pytest.mark.parametrize(("most", "text"), [(0, ""), (5, 'A "id')])
def test_its_words_only_as_far_as_they_are_wanted(most: int, text: str) -> None:
    told = Told(lambda: None, most=most)
    for frame in OPENAI:
        note(Opaque("openai_chat", frame), told)
    assert told.text == text


class Deciding:
    tracing = True
    content = 0

    def __init__(self, records: bool) -> None:
        self._records = records

    def begin(self, trace: Trace | None) -> Trace:
        return Trace("a" * 32, "", SAMPLED, "", "b" * 16) if self._records else Trace("a" * 32, "c" * 16)

    def within(self, trace: Trace) -> AbstractContextManager[object]:
        return nullcontext()


async def _events() -> AsyncIterator[StreamEvent]:
    yield TextDelta(text="a")


def call(body: bytes = b"{}", **fields: Any) -> Call:
    return Call(
        id="1",
        operation="chat",
        model="m",
        decode=lambda: ChatRequest(model="m", messages=()),
        encoded=Encoded("openai_chat", body, lambda body, *_: body),
        **fields,
    )


async def test_without_a_tracer_nothing_happens() -> None:
    stream: Any = _events()

    async def proceed(call: Call) -> EventStream:
        return stream

    asked = call()
    assert await TraceCalls()(asked, proceed) is stream
    assert asked.trace is None


@pytest.mark.parametrize("records", [True, False])
async def test_only_what_is_recorded_is_watched(records: bool) -> None:
    stream: Any = _events()

    async def proceed(call: Call) -> EventStream:
        return stream

    stage, asked = TraceCalls(), call()
    stage.tracer = Deciding(records)
    answer = await stage(asked, proceed)
    assert (answer is stream) is not records
    assert asked.trace is not None
    assert (asked.trace.told is not None) is records


async def test_what_ended_it_is_noted() -> None:
    async def proceed(call: Call) -> EventStream:
        raise UpstreamError("gone")

    stage, asked = TraceCalls(), call()
    stage.tracer = Deciding(True)
    with pytest.raises(UpstreamError):
        await stage(asked, proceed)
    assert asked.trace is not None
    assert asked.trace.told is not None
    assert isinstance(asked.trace.told.error, UpstreamError)
    assert not asked.trace.told.answered


def _refuses() -> Any:
    raise InvalidRequest("nonsense")


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        (call(), True),
        (call(b"x" * 100_000), False),
        (Call(id="1", operation="chat", model="m", decode=_refuses), False),
    ],
)
async def test_the_request_is_decoded_unless_it_is_long_or_nonsense(asked: Call, known: bool) -> None:
    async def proceed(call: Call) -> EventStream:
        stream: Any = _events()
        return stream

    stage = TraceCalls()
    stage.tracer = Deciding(True)
    await stage(asked, proceed)
    assert asked.trace is not None
    assert asked.trace.told is not None
    assert (asked.trace.told.request() is not None) is known
