"""Gemini's answers as events: whole and streamed, every split of a stream, and answers that go wrong."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
import pytest
from google.genai import types
from hypothesis import given, settings

from app.domain.chat import ChatResult
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import (
    ContentRefused,
    PlatformError,
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from app.domain.events import ChatEvent, Finished, TextDelta, ToolCallStarted
from app.domain.streams import collect
from app.domain.usage import Usage
from app.integrations.model_platforms.gemini.response import (
    AnswerDecoder,
    StreamDecoder,
    decode_count,
    decode_embeddings,
    join_embeddings,
)
from tests.wire.cases import cases, frames
from tests.wire.test_openai_fuzz import spoiled

Json = dict[str, Any]


def answer() -> AnswerDecoder:
    return AnswerDecoder(provider="gemini", model="asked", id="given", created=5)


def streamed(*chunks: bytes) -> list[ChatEvent]:
    reading = StreamDecoder(answer())
    return [*(event for chunk in chunks for event in reading.feed(chunk)), *reading.close()]


def whole(body: bytes) -> list[ChatEvent]:
    reading = answer()
    return [*reading.add(body), *reading.end()]


def wire(case: Json) -> bytes:
    """As Google ends its lines."""
    return frames(case["frames"], end="\r\n\r\n")


def want(case: Json) -> list[ChatEvent]:
    return msgspec.convert(case["events"], list[ChatEvent])


def twin(case: Json) -> bytes:
    """The answer that says in one piece what the frames say, indented as Google does."""
    joined: Json = {}
    candidates: dict[int, Json] = {}
    for frame in case["frames"]:
        joined |= {name: value for name, value in frame.items() if name != "candidates"}
        for candidate in frame.get("candidates", []):
            mine = candidates.setdefault(candidate.get("index", 0), {"content": {"parts": []}})
            mine["content"]["parts"] += candidate.get("content", {}).get("parts", [])
            for name, value in candidate.get("logprobsResult", {}).items():
                mine.setdefault("logprobsResult", {}).setdefault(name, []).extend(value)
            mine |= {name: candidate[name] for name in ("index", "finishReason") if name in candidate}
    return json.dumps({**joined, "candidates": list(candidates.values())}, indent=2).encode()


answers = pytest.mark.parametrize("case", cases("gemini_answers"))


@answers
def test_stream(case: Json) -> None:
    assert streamed(wire(case)) == want(case)


@answers
def test_every_split_of_a_stream_decodes_alike(case: Json) -> None:
    data = wire(case)
    for cut in range(len(data) + 1):
        assert streamed(data[:cut], data[cut:]) == want(case)


@answers
def test_byte_by_byte_and_without_a_last_line_end(case: Json) -> None:
    data = wire(case).rstrip()
    assert streamed(*(data[at : at + 1] for at in range(len(data)))) == want(case)


@answers
async def test_a_stream_says_what_its_whole_twin_says(case: Json) -> None:
    async def collected(events: Iterable[ChatEvent]) -> ChatResult:
        async def each() -> AsyncIterator[ChatEvent]:
            for event in events:
                yield event

        return await collect(each())

    assert await collected(streamed(wire(case))) == await collected(whole(twin(case)))


@answers
def test_google_s_own_types_know_every_field(case: Json) -> None:
    for frame in case["frames"]:
        types.GenerateContentResponse.model_validate({k: v for k, v in frame.items() if k != "new"})


def ended(reason: str, *parts: Json) -> Json:
    return {"candidates": [{"content": {"parts": [{"text": "A"}, *parts]}, "finishReason": reason}]}


WITHHELD = [
    *("SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
    *("ESCALATION", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
]
REASONS = {
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "SOMETHING_NEW": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(WITHHELD, "content_filter"),
}
FAILURES = [
    *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"),
    *("MALFORMED_RESPONSE", "NO_IMAGE", "IMAGE_OTHER", "PUP_LIMITED_DISABLED"),
]


@pytest.mark.parametrize(("word", "reason"), REASONS.items())
def test_reason(word: str, reason: str) -> None:
    assert [event.reason for event in whole(json.dumps(ended(word)).encode()) if isinstance(event, Finished)] == [
        reason
    ]


@pytest.mark.parametrize("word", FAILURES)
def test_a_failure_is_no_end_and_nothing_of_its_frame_is_heard(word: str) -> None:
    reading = StreamDecoder(answer())
    with pytest.raises(UpstreamError) as caught:
        list(reading.feed(frames([ended(word)])))
    assert type(caught.value) is UpstreamError
    assert caught.value.retryable


def test_google_s_list_of_reasons_is_known() -> None:
    assert {reason.value for reason in types.FinishReason} <= {*REASONS, *FAILURES}


def test_a_length_is_a_length_though_a_tool_was_called() -> None:
    call = {"functionCall": {"name": "now"}}
    assert whole(json.dumps(ended("MAX_TOKENS", call)).encode())[-1] == Finished(reason="length")
    assert whole(json.dumps(ended("STOP", call)).encode())[-1] == Finished(reason="tool_calls")


def test_our_ids_are_short_and_plain_however_long_the_answer_s() -> None:
    body = {**ended("STOP", {"functionCall": {"name": "now"}}), "responseId": "x" * 200}
    (call,) = (event for event in whole(json.dumps(body).encode()) if isinstance(event, ToolCallStarted))
    assert len(call.id) <= 40


BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}
SAYS = {"candidates": [{"content": {"parts": [{"text": "A"}]}}]}
BOTH = {"candidates": [{"content": {}, "finishReason": "STOP"}, {"content": {}, "index": 1}]}
BROKE = {"error": {"code": 500, "message": "it broke", "status": "INTERNAL"}}
LIMITED = {
    "error": {
        "code": 429,
        "message": "slow down",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}],
    }
}
IMAGE = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
BAD: dict[str, tuple[bytes, type[PlatformError]]] = {
    "no end": (frames([SAYS]), UpstreamUnavailable),
    "one end of two": (frames([BOTH]), UpstreamUnavailable),
    "nothing": (b"", UpstreamUnavailable),
    "figures alone": (frames([{"usageMetadata": {}}]), UpstreamUnavailable),
    "cut within a frame": (frames([SAYS]) + b'data: {"cand', ProviderProtocolError),
    "a blocked prompt": (frames([BLOCKED]), ContentRefused),
    "an error frame": (frames([SAYS, BROKE]), UpstreamError),
    "a bare error": (frames([SAYS]) + json.dumps(LIMITED, indent=2).encode(), UpstreamRateLimited),
    "a bare error in a list": (frames([SAYS]) + json.dumps([LIMITED]).encode() + b"\n", UpstreamRateLimited),
    "an error with odd details": (frames([{"error": {**BROKE["error"], "details": "x"}}]), UpstreamError),
    "not JSON": (frames(["<html>"]), ProviderProtocolError),
    "another JSON": (frames(["[1]"]), ProviderProtocolError),
    "text of the wrong kind": (
        frames([{"candidates": [{"content": {"parts": [{"text": 7}]}}]}]),
        ProviderProtocolError,
    ),
    "a call without a name": (
        frames([{"candidates": [{"content": {"parts": [{"functionCall": {}}]}}]}]),
        ProviderProtocolError,
    ),
    "not UTF-8": (b'data: {"modelVersion": "\xff"}\n\n', ProviderProtocolError),
    "a picture": (frames([ended("STOP", IMAGE)]), UnsupportedFeature),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_streams(name: str) -> None:
    data, kind = BAD[name]
    with pytest.raises(kind) as caught:
        streamed(data)
    assert type(caught.value) is kind
    assert caught.value.provider == "gemini"
    assert "it broke" not in caught.value.message
    if kind is UpstreamRateLimited:
        assert caught.value.retry_after == 34.5
    if kind is ContentRefused:
        assert caught.value.code == "content_policy_violation"


@pytest.mark.parametrize("name", ["a blocked prompt", "not JSON"])
def test_bad_whole_answers(name: str) -> None:
    data, kind = BAD[name]
    with pytest.raises(kind):
        whole(data.removeprefix(b"data: ").strip())


def test_what_came_before_an_error_is_heard_first() -> None:
    events = StreamDecoder(answer()).feed(frames([SAYS, BROKE]))
    assert [next(events), next(events)][-1] == TextDelta(text="A")
    with pytest.raises(UpstreamError):
        next(events)


def test_embeddings() -> None:
    first = decode_embeddings(b'{"embeddings":[{"values":[0.5,-1]}]}', provider="gemini", expected=1)
    second = decode_embeddings(
        b'{"embeddings":[{"values":[1,2]}],"usageMetadata":{"promptTokenCount":3}}', provider="gemini", expected=1
    )
    assert join_embeddings([second, second], "e") == EmbeddingResult(
        model="e", vectors=((1.0, 2.0), (1.0, 2.0)), usage=Usage(input_tokens=6)
    )
    assert join_embeddings([first, second], "e").usage is None


@pytest.mark.parametrize("body", [b"", b"{}", b'{"embeddings":[]}', b'{"embeddings":[{"values":["a"]}]}', b"\xff"])
def test_bad_embeddings(body: bytes) -> None:
    with pytest.raises(ProviderProtocolError):
        decode_embeddings(body, provider="gemini", expected=1)


def test_count() -> None:
    assert decode_count(b'{"totalTokens":31,"promptTokensDetails":[]}', "gemini") == 31


class LongWay(AnswerDecoder):
    def _text(self, data: bytes) -> None:
        return None


PIECE = {"content": {"parts": [{"text": "a", "thought": False}], "role": "model"}, "index": 0}
FRAME = {"candidates": [PIECE], "usageMetadata": {"promptTokenCount": 1}, "modelVersion": "m", "responseId": "r"}
ENDED = {"candidates": [{**PIECE, "finishReason": "STOP"}]}


@settings(max_examples=300, deadline=None)
@given(spoiled([FRAME]))
def test_the_short_way_reads_what_the_long_way_does(frame: bytes) -> None:
    def heard(decoder: type[AnswerDecoder]) -> Any:
        reading = decoder(provider="gemini", model="asked", id="given", created=5)
        try:
            return [*reading.add(json.dumps(FRAME).encode()), *reading.add(frame)]
        except PlatformError as error:
            return str(error)

    assert heard(AnswerDecoder) == heard(LongWay)


def test_a_piece_of_text_goes_the_short_way() -> None:
    reading = answer()
    reading.add(json.dumps(FRAME).encode())
    assert reading._text(json.dumps(FRAME).encode()) == TextDelta(text="a")
    assert reading._text(json.dumps(ENDED).encode()) is None
