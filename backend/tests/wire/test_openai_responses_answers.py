"""Answers in the Responses format: a stream's exact events, and that it says what the whole answer says."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from app.domain.chat import TokenLogprob
from app.domain.errors import (
    InvalidRequest,
    Overloaded,
    PlatformError,
    ProviderProtocolError,
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
from app.domain.streams import Collector
from app.domain.usage import Usage
from app.wire.openai_responses import request, response
from app.wire.openai_responses.echo import echo
from app.wire.openai_responses.stream import StreamDecoder, StreamEncoder
from tests.wire.test_openai_fuzz import anything, spoiled

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
BODY = (
    b'{"model":"m","input":"hi","instructions":"Be short.","metadata":{"a":"b"},"temperature":0.5,'
    b'"tools":[{"type":"function","name":"f","parameters":{},"strict":true}],"max_output_tokens":9}'
)
REPEATED = echo(request.peek(BODY))
START = Started(id="resp_ab", model="m", created=1)
USED = UsageReported(usage=Usage(input_tokens=3, output_tokens=2, cached_tokens=1, reasoning_tokens=1))
TOKEN = TokenLogprob(token="He", logprob=-1.0, bytes=(72, 101), top=(TokenLogprob(token="He", logprob=-1.0),))
CALL = (ToolCallStarted(index=0, id="c1", name="f"), ToolCallDelta(index=0, arguments='{"a"'))

TEXT: list[ChatEvent] = [START, TextDelta(text="Hel"), TextDelta(text='lo "é"'), Finished(reason="stop"), USED]
STREAMS: dict[str, list[ChatEvent]] = {
    "text": TEXT,
    "nothing": [START, Finished(reason="stop")],
    "cut by length": [START, TextDelta(text="Hel"), Finished(reason="length"), USED],
    "filtered": [START, TextDelta(text="Hel"), Finished(reason="content_filter")],
    "failed in itself": [START, TextDelta(text="Hel"), Finished(reason="error")],
    "logprobs": [START, TextDelta(text="He", logprobs=(TOKEN,)), TextDelta(text="y"), Finished(reason="stop")],
    "a refusal": [START, RefusalDelta(text="I"), RefusalDelta(text=" won't"), Finished(reason="stop")],
    "text and refusal": [START, TextDelta(text="a"), RefusalDelta(text="b"), Finished(reason="stop")],
    "thinking": [
        START,
        ReasoningDelta(text="hm"),
        ReasoningDelta(text="m", signature="sig"),
        ReasoningDelta(text="again"),
        TextDelta(text="a"),
        Finished(reason="stop"),
    ],
    "a call": [START, *CALL, ToolCallDelta(index=0, arguments=":1}"), Finished(reason="tool_calls"), USED],
    "a call without arguments": [START, ToolCallStarted(index=0, id="c", name="f"), Finished(reason="tool_calls")],
    "calls one after the other": [
        START,
        TextDelta(text="a"),
        *CALL,
        ToolCallDelta(index=0, arguments=":1}"),
        ToolCallStarted(index=1, id="c2", name="g"),
        ToolCallDelta(index=1, arguments="{}"),
        Finished(reason="tool_calls"),
    ],
    "calls that alternate": [
        START,
        *CALL,
        ToolCallStarted(index=1, id="c2", name="g"),
        ToolCallDelta(index=1, arguments="{"),
        ToolCallDelta(index=0, arguments=":1}"),
        ToolCallDelta(index=1, arguments="}"),
        Finished(reason="tool_calls"),
    ],
}
streams = pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)


def encoded(events: Sequence[ChatEvent]) -> bytes:
    encoder = StreamEncoder(REPEATED)
    return b"".join([encoder.encode(event) for event in events] + [encoder.end()])


def told(frames: bytes) -> list[dict[str, Any]]:
    """The events, each checked to be named alike in its frame and its data, and to be one that the SDK knows."""
    events = []
    for frame in frames.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        EVENT.validate_python(event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def collected(events: Sequence[ChatEvent]) -> Any:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.result()


@streams
def test_a_stream_ends_in_the_whole_answer(events: list[ChatEvent]) -> None:
    whole = json.loads(response.encode(collected(events), REPEATED))
    Response.model_validate(whole)
    assert told(encoded(events))[-1]["response"] == whole


@streams
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_stream_says_what_the_whole_answer_says(events: list[ChatEvent], size: int) -> None:
    if events[-1] == Finished(reason="error"):
        return
    frames, decoder = encoded(events), StreamDecoder("acme")
    read = [event for at in range(0, len(frames), size) for event in decoder.feed(frames[at : at + size])]
    read += decoder.close()
    assert collected(read) == response.decode(response.encode(collected(events), REPEATED))


@streams
def test_a_round_trip_loses_nothing(events: list[ChatEvent]) -> None:
    if events[-1] == Finished(reason="error"):
        return
    body = json.loads(response.encode(collected(events), REPEATED))
    again = json.loads(response.encode(response.decode(json.dumps(body).encode()), {}))
    assert {name: value for name, value in body.items() if value is not None} == {
        name: value for name, value in again.items() if value is not None
    }


def test_the_exact_order_of_events() -> None:
    want = """created in_progress output_item.added content_part.added output_text.delta output_text.delta
        output_text.done content_part.done output_item.done completed"""
    assert [event["type"] for event in told(encoded(TEXT))] == [f"response.{each}" for each in want.split()]


def test_the_order_of_thinking_and_calls() -> None:
    types = [event["type"].removeprefix("response.") for event in told(encoded(STREAMS["thinking"]))]
    assert types[2:9] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]
    types = [
        event["type"].removeprefix("response.") for event in told(encoded(STREAMS["calls one after the other"]))
    ]
    one = ["output_item.added", "function_call_arguments.delta"]
    done = ["function_call_arguments.done", "output_item.done"]
    assert types[5:] == [
        "output_text.done",
        "content_part.done",
        "output_item.done",
        *one,
        "function_call_arguments.delta",
        *done,
        *one,
        *done,
        "completed",
    ]


def test_calls_that_alternate_stay_open() -> None:
    places = [
        (event["output_index"], event["delta"])
        for event in told(encoded(STREAMS["calls that alternate"]))
        if event["type"] == "response.function_call_arguments.delta"
    ]
    assert places == [(0, '{"a"'), (1, "{"), (0, ":1}"), (1, "}")]


def test_the_answer_repeats_its_request() -> None:
    whole = told(encoded(TEXT))[0]["response"]
    assert whole["status"] == "in_progress"
    assert (whole["instructions"], whole["metadata"], whole["temperature"]) == ("Be short.", {"a": "b"}, 0.5)
    assert whole["tools"][0]["name"] == "f"
    assert (whole["tool_choice"], whole["store"], whole["text"]) == ("auto", True, {"format": {"type": "text"}})


@pytest.mark.parametrize(
    ("name", "status", "details"),
    [
        ("text", "completed", None),
        ("cut by length", "incomplete", {"reason": "max_output_tokens"}),
        ("filtered", "incomplete", {"reason": "content_filter"}),
        ("failed in itself", "failed", None),
    ],
)
def test_how_an_answer_ended(name: str, status: str, details: object) -> None:
    last = told(encoded(STREAMS[name]))[-1]
    assert (last["type"], last["response"]["status"]) == (f"response.{status}", status)
    assert last["response"]["incomplete_details"] == details
    assert (last["response"]["error"] is not None) is (status == "failed")


def test_a_failure_under_way_is_told_twice() -> None:
    encoder = StreamEncoder(REPEATED)
    begun = b"".join(encoder.encode(event) for event in [START, TextDelta(text="Hel"), *CALL])
    *_, failed, error = told(begun + encoder.error(Overloaded("Full.")))
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": "Full."}
    assert [item["status"] for item in failed["response"]["output"]] == ["completed", "incomplete"]
    assert (error["type"], error["code"], error["message"]) == ("error", "overloaded", "Full.")
    assert error["error"]["type"] == "server_error"


def test_a_failure_before_the_first_event_is_told_once() -> None:
    (error,) = told(StreamEncoder(REPEATED).error(UpstreamRateLimited("Later.")))
    assert error["type"] == "error"


def test_a_second_choice_has_no_place() -> None:
    events = [START, TextDelta(text="a"), TextDelta(text="b", choice=1), Finished(reason="stop")]
    assert encoded(events) == encoded([event for event in events if getattr(event, "choice", 0) == 0])


def test_what_comes_late_replaces_what_was_repeated() -> None:
    late = TextDelta(text="", extensions={"openai_responses": {"result": {"store": False}}})
    events = told(encoded([*TEXT, late]))
    assert (events[0]["response"]["store"], events[-1]["response"]["store"]) == (True, False)


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 1, "error": None}}


def answer(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "model": "m", "created_at": 1, "status": "completed", "output": list(output), **fields}


ITEMS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "a summary in two parts": (
        {"type": "reasoning", "id": "rs", "summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "zz"},
        [
            {"type": "response.reasoning_summary_part.added", "summary_index": 0},
            {"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": "a"},
            {"type": "response.reasoning_summary_part.added", "summary_index": 1},
            {"type": "response.reasoning_summary_text.delta", "summary_index": 1, "delta": "b"},
        ],
    ),
    "reasoning that is not shown": ({"type": "reasoning", "id": "rs", "summary": []}, []),
    "a message all at once": (
        {"type": "message", "id": "msg", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        [],
    ),
    "a citation": (
        {
            "type": "message",
            "id": "msg",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}]}],
        },
        [
            {"type": "response.output_text.delta", "content_index": 0, "delta": "a"},
            {
                "type": "response.content_part.done",
                "part": {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}]},
            },
        ],
    ),
    "a call all at once": (
        {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "n"},
        [],
    ),
    "a search": ({"type": "web_search_call", "id": "ws", "status": "completed"}, []),
}


@pytest.mark.parametrize(("item", "deltas"), ITEMS.values(), ids=ITEMS)
def test_items_as_other_servers_tell_them(item: dict[str, Any], deltas: list[dict[str, Any]]) -> None:
    opening = {
        name: value for name, value in item.items() if name not in ("content", "summary", "encrypted_content")
    }
    whole = answer(item, usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})
    frames = sse(
        CREATED,
        {"type": "response.output_item.added", "output_index": 0, "item": opening},
        *({"output_index": 0, **delta} for delta in deltas),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    )
    decoder = StreamDecoder("acme")
    events = [event for at in range(len(frames)) for event in decoder.feed(frames[at : at + 1])]
    assert collected(events + decoder.close()) == response.decode(json.dumps(whole).encode())


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"type": "error", "message": "boom", "code": "server_error"}, UpstreamError),
        ({"type": "error", "error": {"message": "boom", "type": "server_error"}}, UpstreamError),
        (
            {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "boom"}}},
            UpstreamError,
        ),
        ({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded"}}}, UpstreamRateLimited),
        (
            {"type": "response.failed", "response": {"error": {"code": "invalid_prompt", "message": "x"}}},
            InvalidRequest,
        ),
        ({"type": "response.failed", "response": {}}, UpstreamError),
        ({"type": "response.completed", "response": {"id": "resp_1"}}, ProviderProtocolError),
        (
            {"type": "response.function_call_arguments.delta", "output_index": 3, "delta": "x"},
            ProviderProtocolError,
        ),
    ],
)
def test_a_stream_that_fails(event: dict[str, Any], error: type[PlatformError]) -> None:
    decoder = StreamDecoder("acme")
    decoder.feed(sse(CREATED))
    with pytest.raises(error) as caught:
        decoder.feed(sse(event))
    assert type(caught.value) is error
    assert "boom" not in caught.value.message


@pytest.mark.parametrize("frames", [b"", sse(CREATED), sse({"type": "response.completed", "response": answer()})])
def test_a_stream_that_breaks_off(frames: bytes) -> None:
    def read() -> None:
        decoder = StreamDecoder("acme")
        decoder.feed(frames)
        decoder.close()

    with pytest.raises(ProviderProtocolError):
        read()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"output":1}', b'{"output":[],"error":{"message":"boom"}}'])
def test_an_answer_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        response.decode(body, "acme")
    assert "boom" not in caught.value.message


_WHOLE = [answer(item) for item, _ in ITEMS.values()] + [CREATED]
_WHOLE += [delta for _, deltas in ITEMS.values() for delta in deltas]


@settings(max_examples=300, deadline=None)
@given(st.binary() | spoiled(_WHOLE) | anything.map(lambda value: json.dumps(value).encode("utf-8", "replace")))
def test_only_our_own_errors_come_out(text: bytes) -> None:
    def stream(text: bytes) -> None:
        decoder = StreamDecoder()
        decoder.feed(sse(CREATED) + b"data: " + text.replace(b"\n", b" ") + b"\n\n" + text)
        decoder.close()

    for read in (response.decode, stream):
        try:
            read(text)
        except (UpstreamError, InvalidRequest):
            continue
