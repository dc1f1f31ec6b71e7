"""Requests in the Responses format: read, written, expanded by the turns of before."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.chat import (
    ChatRequest,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    Sampling,
    TextPart,
    ToolCall,
    ToolResult,
    UnknownPart,
)
from app.domain.errors import InvalidRequest
from app.wire.openai_chat import request as chat_request
from app.wire.openai_responses import request
from app.wire.openai_responses.history import Turn, expand, final, listed, own_items
from tests.wire.cases import cases
from tests.wire.test_openai_fuzz import anything, spoiled

REQUESTS = cases("openai_responses_requests")


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("case", REQUESTS)
def test_a_round_trip_loses_nothing(case: Any) -> None:
    body = as_bytes(case["body"])
    request.peek(body)
    assert json.loads(request.encode(request.decode(body))) == case["body"]


@pytest.mark.parametrize("case", cases("openai_responses_bad_requests"))
def test_what_is_wrong_is_named(case: Any) -> None:
    body = as_bytes(case["body"])
    with pytest.raises(InvalidRequest) as caught:
        request.decode(body)
    assert caught.value.param == case["param"]


@pytest.mark.parametrize(
    "fields",
    [{"input": None}, {"input": [{"type": 1}]}, {"input": "a", "stream": 1}, {"input": "a", "store": "no"}],
)
def test_the_first_look_refuses(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        request.peek(as_bytes({"model": "m", **fields}))


def test_the_first_look_tells_what_the_platform_needs() -> None:
    head = request.peek(b'{"model":"m","input":"a","stream":true,"previous_response_id":"r"}')
    assert (head.model, head.stream, head.store, head.previous_response_id) == ("m", True, True, "r")


def turn() -> Any:
    (case,) = (case.values[0] for case in REQUESTS if case.id == "a turn of several items")
    return case["body"]


def test_an_assistants_items_are_one_message() -> None:
    messages = request.decode(as_bytes(turn())).messages
    assert [message.role for message in messages] == ["user", "assistant", "tool", "tool", "assistant"]
    kinds = [type(part) for part in messages[1].content]
    assert kinds == [ReasoningPart, ReasoningPart, TextPart, TextPart, RefusalPart, ToolCall, ToolCall]
    thoughts = [part for part in messages[1].content if isinstance(part, ReasoningPart)]
    assert [(part.text, part.signature) for part in thoughts] == [("s1\n\ns2", "zz"), ("thought", None)]
    results = [part for message in messages for part in message.content if isinstance(part, ToolResult)]
    assert [result.call_id for result in results] == ["c1", "c2"]
    assert all(isinstance(part, UnknownPart) for part in messages[4].content)


def test_a_turn_reads_as_a_chat() -> None:
    """What a provider of another format is sent: calls and their results as it wants them."""
    body = turn()
    body["input"] = [
        item for item in body["input"] if item.get("type") not in ("web_search_call", "item_reference")
    ]
    messages = json.loads(chat_request.encode(request.decode(as_bytes(body))))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["c1", "c2"]
    assert [part["text"] for part in messages[1]["content"]] == ["one", "two"]


def test_images_come_with_their_bytes() -> None:
    (case,) = (case.values[0] for case in REQUESTS if case.id == "content of every kind")
    (message,) = request.decode(as_bytes(case["body"])).messages
    assert ImagePart(data="AA==", media_type="image/png", detail="low") in message.content
    assert ImagePart(url="https://example.com/a.png") in message.content


ANSWER = {
    "id": "resp_1",
    "status": "completed",
    "output": [{"type": "message", "role": "assistant", "content": []}],
}


def test_the_turns_of_before_come_first() -> None:
    first = as_bytes({"model": "m", "input": "one"})
    body = b'{"model":"m","previous_response_id":"resp_1","input":[{"role":"user","content":"two"}],"x":1.50}'
    expanded = expand(body, [Turn(own_items(first), as_bytes(ANSWER))])
    assert b'"x":1.50' in expanded
    got = json.loads(expanded)
    assert "previous_response_id" not in got
    one = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "one"}]}
    assert got["input"] == [one, ANSWER["output"][0], {"role": "user", "content": "two"}]  # type: ignore[index]


@pytest.mark.parametrize("given", ['"a\\u00e9"', "[]", "null"])
def test_own_items_are_an_array(given: str) -> None:
    items = json.loads(own_items(f'{{"model":"m","input":{given}}}'.encode()))
    assert [item["content"][0]["text"] for item in items] == (["aé"] if given.startswith('"') else [])


def test_listed_items_have_ids_and_parts() -> None:
    items = as_bytes(
        [{"role": "user", "content": "a"}, {"type": "function_call_output", "id": "x", "output": "1"}]
    )
    first, second = listed(items, "resp_9")
    assert first["id"] == "msg_9_in0"
    assert first["content"] == [{"type": "input_text", "text": "a"}]
    assert second["id"] == "x"


def frame(type: str, response: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (type.encode(), as_bytes({"type": type, "response": response}))


@pytest.mark.parametrize(
    ("data", "whole", "found"),
    [
        (as_bytes(ANSWER), True, True),
        (as_bytes({**ANSWER, "status": "queued"}), True, False),
        (b"[]", True, False),
        (frame("response.created", ANSWER) + frame("response.completed", ANSWER), False, True),
        (frame("response.incomplete", {**ANSWER, "status": "incomplete"}), False, True),
        (frame("response.failed", {**ANSWER, "status": "failed"}), False, False),
        (frame("response.created", {**ANSWER, "metadata": {"x": "response.completed"}}), False, False),
        (b'data: {"type":"response.completed"}\n\n', False, False),
        (b'data: {"type":"response.completed"\n\n', False, False),
    ],
)
def test_an_answer_is_found_when_it_is_whole(data: bytes, whole: bool, found: bool) -> None:
    answer = final(data, whole=whole)
    assert (answer is not None) is found
    if answer is not None:
        assert (answer.id, json.loads(answer.response)["id"]) == ("resp_1", "resp_1")


_SETTINGS = settings(max_examples=300, deadline=None)
_BODIES = [case.values[0]["body"] for case in REQUESTS]


@_SETTINGS
@given(st.binary() | spoiled(_BODIES) | anything.map(lambda value: json.dumps(value).encode("utf-8", "replace")))
def test_only_our_own_errors_come_out(body: bytes) -> None:
    for read in (request.peek, request.decode):
        try:
            read(body)
        except InvalidRequest:
            continue
    final(body, whole=True)
    final(b"data: " + body + b"\n\n", whole=False)


@_SETTINGS
@given(spoiled(_BODIES))
def test_what_is_read_can_be_written(body: bytes) -> None:
    try:
        request.peek(body)
        decoded = request.decode(body)
    except InvalidRequest:
        return
    again = request.decode(request.encode(decoded))
    assert again.model == decoded.model
    items = own_items(body)
    assert isinstance(json.loads(items), list)
    expand(body, [Turn(items, as_bytes(ANSWER))])


def test_knobs_without_a_place_are_told() -> None:
    sampling = Sampling(temperature=0.5, top_k=3, seed=1, stop=("a",), n=2)
    messages = (Message(role="user", content=(TextPart(text="hi"),)),)
    dropped: list[str] = []
    body = request.encode(ChatRequest(model="m", messages=messages, sampling=sampling), dropped=dropped)
    assert sorted(dropped) == ["n", "seed", "stop", "top_k"]
    assert set(msgspec.json.decode(body)) == {"model", "input", "temperature"}
