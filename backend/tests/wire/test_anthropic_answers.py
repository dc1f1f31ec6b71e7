"""Answers of the Anthropic format: whole and streamed ones say the same, and nothing of them is lost."""

import json
from typing import Any

import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from app.domain.chat import ChatResult
from app.domain.events import ChatEvent, Started
from app.domain.streams import Collector, explode
from app.wire.anthropic_messages import response
from app.wire.anthropic_messages.stream import StreamDecoder, StreamEncoder
from tests.wire.anthropic_frames import events_of, frames
from tests.wire.cases import cases

answers = pytest.mark.parametrize("case", cases("anthropic_answers"))
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def collected(events: list[ChatEvent]) -> ChatResult:
    collector = Collector()
    for event in events:
        collector.add(event)
    return collector.result()


def streamed(*pieces: bytes) -> list[ChatEvent]:
    decoder = StreamDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [*events, *decoder.close()]


def written(events: list[ChatEvent]) -> bytes:
    encoder = StreamEncoder()
    return b"".join(encoder.encode(event) for event in events) + encoder.end()


def body(case: dict[str, Any]) -> bytes:
    return json.dumps(case["unary"]).encode()


def plain(value: Any) -> Any:
    """In an answer null and absent mean the same, and so do no tokens and none told."""
    if isinstance(value, dict):
        kept = {name: plain(inner) for name, inner in value.items() if inner is not None}
        return {name: inner for name, inner in kept.items() if not (name.endswith("_input_tokens") and inner == 0)}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@answers
def test_a_stream_collects_to_its_whole_twin(case: dict[str, Any]) -> None:
    assert collected(streamed(frames(case["stream"]))) == response.decode(body(case))


@answers
def test_a_round_trip_loses_nothing(case: dict[str, Any]) -> None:
    decoded = response.decode(body(case))
    encoded = response.encode(decoded)
    assert plain(json.loads(encoded)) == plain(case.get("encoded", case["unary"]))
    assert plain(msgspec.to_builtins(response.decode(encoded))) == plain(msgspec.to_builtins(decoded))


@answers
def test_a_written_stream_reads_the_same(case: dict[str, Any]) -> None:
    events = streamed(frames(case["stream"]))
    again = collected(streamed(written(events)))
    assert plain(msgspec.to_builtins(again)) == plain(msgspec.to_builtins(collected(events)))


@answers
def test_an_exploded_answer_is_written_and_reads_the_same(case: dict[str, Any]) -> None:
    decoded = response.decode(body(case))
    again = collected(streamed(written(list(explode(decoded)))))
    assert plain(msgspec.to_builtins(again)) == plain(msgspec.to_builtins(decoded))


@answers
def test_the_official_client_reads_what_is_written(case: dict[str, Any]) -> None:
    if case.get("strange"):
        return  # The server's own answer is beyond the client's types already.
    decoded = response.decode(body(case))
    Message.model_validate_json(response.encode(decoded), strict=True)
    for event in events_of(written(list(explode(decoded)))):
        if event["type"] != "ping":
            EVENT.validate_python(event)


@answers
def test_written_blocks_are_in_order(case: dict[str, Any]) -> None:
    """message_start, blocks one after the other with indexes from 0, message_delta, message_stop."""
    events = events_of(written(streamed(frames(case["stream"]))))
    kinds = [event["type"] for event in events if event["type"] != "ping"]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    opened, expected = None, 0
    for event in events[1:-2]:
        match event["type"]:
            case "ping":
                continue
            case "content_block_start":
                assert (opened, event["index"]) == (None, expected)
                opened, expected = event["index"], expected + 1
            case "content_block_delta":
                assert event["index"] == opened
            case "content_block_stop":
                assert event["index"] == opened
                opened = None
    assert opened is None


@answers
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_every_cut_gives_the_same_events(case: dict[str, Any], end: str) -> None:
    stream = b"\xef\xbb\xbf: hello" + end.encode() * 2 + frames(case["stream"], end)
    want = streamed(stream)
    for cut in range(1, len(stream), 1 if end == "\n" and len(stream) < 1200 else 11):
        assert streamed(stream[:cut], stream[cut:]) == want
    assert streamed(*(stream[at : at + 1] for at in range(len(stream)))) == want


@answers
def test_decoding_leaves_no_shared_state(case: dict[str, Any]) -> None:
    events = streamed(frames(case["stream"]))
    before = msgspec.json.encode(events)
    collected(events)
    written(events)
    assert msgspec.json.encode(events) == before


@pytest.mark.parametrize(
    ("id", "told"),
    [
        ("msg_01X", "msg_01X"),
        ("chatcmpl-5f", "msg_5f"),
        ("gen-1", "msg_1"),
        ("a-chatcmpl-5f", "msg_a-chatcmpl-5f"),
        ("", "msg_"),
    ],
)
def test_a_message_has_a_messages_id_whoever_wrote_it(id: str, told: str) -> None:
    whole = json.loads(response.encode(ChatResult(id=id, model="m", created=0, choices=())))
    assert whole["id"] == told
    begun = StreamEncoder().encode(Started(id=id, model="m", created=0)).decode()
    assert json.loads(begun.partition("data: ")[2])["message"]["id"] == told
