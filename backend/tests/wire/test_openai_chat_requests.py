"""Chat requests: what is read, what is refused, and that nothing is lost on the way there and back."""

import json
from typing import Any

import msgspec
import pytest

from app.domain import chat
from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.wire.openai_chat import request
from app.wire.openai_chat.sampling import OPENAI_PROFILE, Profile
from tests.wire.cases import cases


@pytest.mark.parametrize("case", cases("openai_chat_requests"))
def test_a_round_trip_loses_nothing(case: dict[str, Any]) -> None:
    decoded = request.decode(json.dumps(case["body"]).encode())
    encoded = request.encode(decoded, profile=Profile(developer=True))
    assert json.loads(encoded) == case.get("encoded", case["body"])
    assert request.decode(encoded) == decoded


@pytest.mark.parametrize("case", cases("openai_chat_requests"))
def test_peek_passes_what_decode_reads(case: dict[str, Any]) -> None:
    body = json.dumps(case["body"]).encode()
    head, decoded = request.peek(body), request.decode(body)
    assert (head.model, head.stream, head.include_usage, head.n or 1, head.max_output_tokens) == (
        decoded.model,
        decoded.stream,
        decoded.include_usage,
        decoded.sampling.n,
        decoded.sampling.max_output_tokens,
    )


@pytest.mark.parametrize("case", cases("openai_chat_decoded"))
def test_decoded(case: dict[str, Any]) -> None:
    decoded = request.decode(json.dumps({"model": "m", **case["body"]}).encode())
    assert json.loads(msgspec.json.encode(decoded)) == {"model": "m", "sampling": {}, **case["want"]}


@pytest.mark.parametrize("case", cases("openai_chat_bad_requests"))
@pytest.mark.parametrize("read", [request.peek, request.decode], ids=["peek", "decode"])
def test_refused(case: dict[str, Any], read: Any) -> None:
    name = "peek" if read is request.peek else "decode"
    if not case.get(name, True):
        read(case["body"].encode())
        return
    with pytest.raises(InvalidRequest) as caught:
        read(case["body"].encode())
    assert caught.value.param == case.get(f"param_{name}", case["param"])
    assert any(words.lower() in caught.value.message.lower() for words in case["says"].split("|")), (
        caught.value.message
    )


def test_refused_bytes_that_are_not_text() -> None:
    for body in (
        b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"m","x":"\xc3","messages":[]}',
    ):
        for read in (request.peek, request.decode):
            with pytest.raises(InvalidRequest, match="UTF-8"):
                read(body)


def test_refused_when_nested_beyond_the_decoder() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"a"}],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for read in (request.peek, request.decode):
        with pytest.raises(InvalidRequest, match="nested"):
            read(body)


def test_a_key_may_stand_again_inside() -> None:
    message = b'{"role":"user","content":"a","model":"x","n":1}'
    body = b'{"model":"m","messages":[' + message + b'],"tools":[{"type":"x","Model":1}]}'
    assert request.peek(body).model == "m"


def test_a_large_body_is_searched_for_repeated_keys() -> None:
    long = json.dumps([{"role": "user", "content": 'say "model": ' * 5000}]).encode()
    assert request.peek(b'{"messages":' + long + b',"model":"a"}').model == "a"
    for twice in (
        b'{"model":"a","messages":' + long + b',"model":"b"}',
        b'{"messages":' + long + b',"model":"b","n":1,"n":1}',
    ):
        with pytest.raises(InvalidRequest, match="more than once"):
            request.peek(twice)


def test_a_body_of_countless_fields_is_refused() -> None:
    fields = json.dumps({str(number): 0 for number in range(5000)})[1:]
    with pytest.raises(InvalidRequest, match="more than 1,000 fields"):
        request.peek(b'{"model":"m","messages":[{"role":"user"}],' + fields.encode())


def _asked(**fields: Any) -> chat.ChatRequest:
    message = chat.Message(role="user", content=(chat.TextPart(text="hi"),))
    return chat.ChatRequest(**{"model": "m", "messages": (message,), **fields})


@pytest.mark.parametrize(
    ("profile", "field"), [(Profile(), "max_tokens"), (OPENAI_PROFILE, "max_completion_tokens")]
)
def test_the_token_limit_has_the_name_that_the_server_knows(profile: Profile, field: str) -> None:
    asked = _asked(sampling=chat.Sampling(max_output_tokens=5))
    assert json.loads(request.encode(asked, profile=profile))[field] == 5


def test_what_a_server_does_not_know_is_dropped_and_listed() -> None:
    asked = _asked(
        messages=(
            chat.Message(role="developer", content=(chat.TextPart(text="be brief"),)),
            chat.Message(role="assistant", content=(chat.ReasoningPart(text="hm", signature="s"),)),
            chat.Message(
                role="user", content=(chat.ToolResult(call_id="c", is_error=True), chat.TextPart(text="so?"))
            ),
        ),
        sampling=chat.Sampling(top_k=4),
    )
    dropped: list[str] = []
    plain = Profile(top_k=False, reasoning=False)
    assert json.loads(request.encode(asked, profile=plain, dropped=dropped)) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "assistant", "content": ""},
            {"role": "tool", "tool_call_id": "c", "content": ""},
            {"role": "user", "content": "so?"},
        ],
    }
    assert sorted(dropped) == [
        "messages.reasoning",
        "messages.reasoning.signature",
        "messages.tool_result.is_error",
        "top_k",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (chat.UnknownTool(extensions={"other": {"type": "computer"}}),)},
        {"messages": (chat.Message(role="user", content=(chat.UnknownPart(extensions={"other": {}}),)),)},
    ],
)
def test_what_only_another_format_knows_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFeature):
        request.encode(_asked(**fields))


def test_another_formats_extensions_are_not_given_back() -> None:
    assert json.loads(request.encode(_asked(extensions={"other": {"x": 1}}))) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
    }
