"""Requests for a message: what is read, what is refused, and that nothing is lost on the way there and back."""

import json
from typing import Any

import msgspec
import pytest

from app.domain import chat
from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.wire.anthropic_messages import FORMAT, request
from tests.wire.cases import cases

HI = chat.Message(role="user", content=(chat.TextPart(text="hi"),))


@pytest.mark.parametrize("case", cases("anthropic_requests"))
def test_a_round_trip_loses_nothing(case: dict[str, Any]) -> None:
    decoded = request.decode(json.dumps(case["body"]).encode())
    encoded = request.encode(decoded)
    assert json.loads(encoded) == case.get("encoded", case["body"])
    assert request.decode(encoded) == decoded


@pytest.mark.parametrize("case", cases("anthropic_requests"))
def test_peek_passes_what_decode_reads(case: dict[str, Any]) -> None:
    body = json.dumps(case["body"]).encode()
    head, decoded = request.peek(body), request.decode(body)
    assert (head.model, head.stream, head.max_tokens) == (
        decoded.model,
        decoded.stream,
        decoded.sampling.max_output_tokens,
    )
    assert request.peek_count(body).model == "m"


@pytest.mark.parametrize("case", cases("anthropic_decoded"))
def test_decoded(case: dict[str, Any]) -> None:
    decoded = request.decode(json.dumps({"model": "m", **case["body"]}).encode())
    assert json.loads(msgspec.json.encode(decoded)) == {"model": "m", "sampling": {}, **case["want"]}


@pytest.mark.parametrize("case", cases("anthropic_bad_requests"))
@pytest.mark.parametrize("read", [request.peek, request.decode], ids=["peek", "decode"])
def test_refused(case: dict[str, Any], read: Any) -> None:
    if read is request.peek and not case.get("peek", True):
        read(case["body"].encode())
        return
    with pytest.raises(InvalidRequest) as caught:
        read(case["body"].encode())
    assert (caught.value.param or "").startswith(case["param"] or ""), caught.value.param
    assert any(words.lower() in caught.value.message.lower() for words in case["says"].split("|")), (
        caught.value.message
    )


@pytest.mark.parametrize("limit", ["", '"max_tokens":-1,', '"max_tokens":null,'])
def test_a_message_needs_a_limit_and_a_count_does_not(limit: str) -> None:
    body = f'{{"model":"m",{limit}"messages":[{{"role":"user","content":"hi"}}]}}'.encode()
    with pytest.raises(InvalidRequest) as caught:
        request.peek(body)
    assert caught.value.param == "max_tokens"
    assert request.peek_count(body).model == "m"


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="more than once"):
        request.peek(b'{"model":"a","model":"b","max_tokens":1,"messages":[{"role":"user","content":"x"}]}')


def _asked(**fields: Any) -> chat.ChatRequest:
    return chat.ChatRequest(**{"model": "m", "messages": (HI,), **fields})


def test_a_request_of_another_format() -> None:
    asked = _asked(
        messages=(
            chat.Message(role="system", content=(chat.TextPart(text="Be brief."),)),
            chat.Message(role="developer", content=(chat.TextPart(text="In verse."),), name="boss"),
            HI,
            chat.Message(role="assistant", content=(chat.ToolCall(id="c", name="f", arguments=""),)),
            chat.Message(role="tool", content=(chat.ToolResult(call_id="c", content=(chat.TextPart(text="1"),)),)),
            chat.Message(role="developer", content=(chat.TextPart(text="Now in prose."),)),
            chat.Message(role="user", content=(chat.FilePart(data="JVBERi0=", filename="a.pdf"),)),
        ),
        sampling=chat.Sampling(seed=1, logprobs=True, presence_penalty=0.5),
        tools=(chat.Tool(name="f"),),
        parallel_tool_calls=False,
        reasoning_effort="minimal",
        extensions={"other": {"x": 1}},
    )
    dropped: list[str] = []
    document = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert json.loads(request.encode(asked, dropped=dropped)) == {
        "model": "m",
        "max_tokens": 4096,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "In verse."}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "1"}]},
            {"role": "system", "content": "Now in prose."},
            {"role": "user", "content": [{"type": "document", "source": document, "title": "a.pdf"}]},
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "output_config": {"effort": "low"},
    }
    assert sorted(dropped) == ["logprobs", "messages.name", "presence_penalty", "seed"]


@pytest.mark.parametrize(
    ("effort", "want"),
    [("none", {"thinking": {"type": "disabled"}}), ("high", {"output_config": {"effort": "high"}}), ("odd", {})],
)
def test_efforts(effort: str, want: dict[str, Any]) -> None:
    dropped: list[str] = []
    encoded = json.loads(request.encode(_asked(reasoning_effort=effort), dropped=dropped))
    assert {name: encoded[name] for name in encoded.keys() & {"thinking", "output_config"}} == want
    assert dropped == ([] if want else ["reasoning_effort"])


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (chat.UnknownTool(extensions={"other": {"type": "computer"}}),)},
        {"messages": (chat.Message(role="user", content=(chat.UnknownPart(extensions={"other": {}}),)),)},
        {"messages": (chat.Message(role="user", content=(chat.AudioPart(data="", format="wav"),)),)},
        {"sampling": chat.Sampling(n=2)},
        {"response_format": chat.ResponseFormat(kind="json_object")},
    ],
)
def test_what_this_format_has_no_place_for_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFeature):
        request.encode(_asked(**fields))


@pytest.mark.parametrize("arguments", ["{", "[]", "7", '{"a":\ud800}'])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    call = chat.ToolCall(id="c", name="f", arguments=arguments)
    with pytest.raises(InvalidRequest, match="JSON object"):
        request.encode(_asked(messages=(HI, chat.Message(role="assistant", content=(call,)))))


def test_the_name_of_the_format() -> None:
    assert FORMAT == request.FORMAT == "anthropic_messages"
