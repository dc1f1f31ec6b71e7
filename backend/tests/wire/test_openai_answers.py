"""Answers to chat and text requests: whole and streamed ones say the same, and nothing of them is lost."""

import json
from typing import Any, NamedTuple

import msgspec
import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from app.domain.chat import (
    ChatResult,
    Choice,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolResult,
)
from app.domain.errors import ProviderProtocolError, UnsupportedFeature, UpstreamRateLimited
from app.domain.events import ChatEvent
from app.domain.streams import Collector, explode
from app.wire.openai_chat import response as chat_response
from app.wire.openai_chat import stream as chat_stream
from app.wire.openai_completions import response as text_response
from app.wire.openai_completions import stream as text_stream
from tests.wire.cases import cases, frames


class Format(NamedTuple):
    response: Any
    stream: Any
    whole_type: Any
    chunk_type: Any


CHAT = Format(chat_response, chat_stream, ChatCompletion, ChatCompletionChunk)
TEXT = Format(text_response, text_stream, Completion, Completion)
ALL = [
    pytest.param(format, *case.values, id=f"{name}-{case.id}")
    for name, format in (("chat", CHAT), ("text", TEXT))
    for case in cases(f"openai_{'chat' if format is CHAT else 'completions'}_answers")
]
answers = pytest.mark.parametrize(("format", "case"), ALL)


def collected(events: list[ChatEvent]) -> ChatResult:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.result()


def streamed(format: Format, *pieces: bytes) -> list[ChatEvent]:
    decoder = format.stream.StreamDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.close()]


def body(case: dict[str, Any]) -> bytes:
    return json.dumps(case["unary"]).encode()


def without_nulls(value: Any) -> Any:
    """In an answer null and absent mean the same, and so do an absent and an empty array of calls."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None and inner != []}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


@answers
def test_a_stream_collects_to_its_whole_twin(format: Format, case: dict[str, Any]) -> None:
    assert collected(streamed(format, frames(case["stream"]))) == format.response.decode(body(case))


@answers
def test_a_round_trip_loses_nothing(format: Format, case: dict[str, Any]) -> None:
    decoded = format.response.decode(body(case))
    encoded = format.response.encode(decoded)
    assert without_nulls(json.loads(encoded)) == without_nulls(case.get("encoded", case["unary"]))
    assert format.response.decode(encoded) == decoded


@answers
def test_a_written_stream_reads_the_same(format: Format, case: dict[str, Any]) -> None:
    events = streamed(format, frames(case["stream"]))
    encoder = format.stream.StreamEncoder(include_usage=True)
    written = b"".join(encoder.encode(event) for event in events) + encoder.end()
    assert collected(streamed(format, written)) == collected(events)


@answers
def test_the_official_client_reads_what_is_written(format: Format, case: dict[str, Any]) -> None:
    if case.get("strange"):
        return  # The server's own answer is beyond the client's types already.
    decoded = format.response.decode(body(case))
    format.whole_type.model_validate_json(format.response.encode(decoded), strict=True)
    encoder = format.stream.StreamEncoder(include_usage=True)
    for event in explode(decoded):
        for frame in filter(None, encoder.encode(event).split(b"\n\n")):
            value = json.loads(frame.removeprefix(b"data: "))
            for choice in value["choices"] if format is TEXT else []:
                # The older format has one type for whole answers and for chunks, which have no reason yet.
                choice["finish_reason"] = choice["finish_reason"] or "stop"
            format.chunk_type.model_validate(value)
    assert encoder.end() == b"data: [DONE]\n\n"


@answers
def test_an_exploded_answer_collects_to_itself(format: Format, case: dict[str, Any]) -> None:
    decoded = format.response.decode(body(case))
    assert collected(list(explode(decoded))) == decoded


@answers
@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"], ids=["LF", "CRLF", "CR"])
def test_every_cut_gives_the_same_events(format: Format, case: dict[str, Any], end: str) -> None:
    stream = b"\xef\xbb\xbf: hello" + end.encode() + frames(case["stream"], end)
    want = streamed(format, stream)
    for cut in range(1, len(stream), 1 if end == "\n\n" and len(stream) < 1200 else 7):
        assert streamed(format, stream[:cut], stream[cut:]) == want
    assert streamed(format, *(stream[at : at + 1] for at in range(len(stream)))) == want


@pytest.mark.parametrize("case", cases("openai_bad_answers"))
def test_an_answer_that_makes_no_sense(case: dict[str, Any]) -> None:
    format = CHAT if case["format"] == "chat" else TEXT
    with pytest.raises(ProviderProtocolError):
        format.response.decode(case["body"].encode())


@pytest.mark.parametrize("format", [CHAT, TEXT])
def test_an_error_in_place_of_an_answer(format: Format) -> None:
    with pytest.raises(UpstreamRateLimited, match="acme"):
        format.response.decode(b'{"error":{"message":"slow down","code":429}}', "acme")


@pytest.mark.parametrize(("format", "part"), [(CHAT, ToolResult(call_id="c")), (TEXT, RefusalPart(text="no"))])
def test_a_part_without_a_place_is_refused(format: Format, part: Part) -> None:
    choice = Choice(index=0, message=Message(role="assistant", content=(part,)))
    with pytest.raises(UnsupportedFeature):
        format.response.encode(ChatResult(id="a", model="m", created=1, choices=(choice,)))


def test_a_text_completion_leaves_thinking_out() -> None:
    content = (ReasoningPart(text="hm"), TextPart(text="a"))
    choice = Choice(index=0, message=Message(role="assistant", content=content))
    encoded = text_response.encode(ChatResult(id="a", model="m", created=1, choices=(choice,)))
    assert json.loads(encoded)["choices"][0]["text"] == "a"


def test_custom_calls_are_kept() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    whole = {"choices": [{"index": 0, "message": {"role": "assistant", "tool_calls": [call]}}]}
    encoded = json.loads(chat_response.encode(chat_response.decode(json.dumps(whole).encode())))
    assert encoded["choices"][0]["message"]["tool_calls"] == [call]
    pieces = [{"index": 0, **call}, {"index": 0, "custom": {"input": " + 1"}}]
    chunks = [{"id": "a", "choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]} for piece in pieces]
    folded = collected(streamed(CHAT, frames([*chunks, "[DONE]"])))
    assert folded.choices[0].message.extensions["openai_chat"]["tool_calls"] == [
        {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1 + 1"}}
    ]


@answers
def test_the_short_way_and_the_long_way_meet(format: Format, case: dict[str, Any]) -> None:
    class LongWay(format.stream.StreamDecoder):  # type: ignore[name-defined,misc]
        plain = None

    reading = LongWay()
    stream = frames(case["stream"])
    assert [*reading.feed(stream), *reading.close()] == streamed(format, stream)


@answers
def test_decoding_leaves_no_shared_state(format: Format, case: dict[str, Any]) -> None:
    events = streamed(format, frames(case["stream"]))
    before = msgspec.json.encode(events)
    collected(events)
    assert msgspec.json.encode(events) == before
