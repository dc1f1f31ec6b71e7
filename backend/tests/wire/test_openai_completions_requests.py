"""Text completion requests."""

import json
from typing import Any

import pytest

from app.domain.chat import CompletionRequest, Sampling
from app.domain.errors import InvalidRequest
from app.wire.openai_chat.sampling import Profile
from app.wire.openai_completions import request
from tests.wire.cases import cases

_BAD = [
    ('{"model":"m"}', "prompt"),
    ('{"model":"m","prompt":[]}', "prompt"),
    ('{"model":"m","prompt":null}', "prompt"),
    ('{"model":"m","prompt":3}', "prompt"),
    ('{"model":"m","prompt":["a",1]}', "prompt"),
    ('{"model":"m","prompt":[[1],[]]}', "prompt"),
    ('{"model":"m","prompt":[true]}', "prompt[0]"),
    ('{"prompt":"a"}', "model"),
    ('{"model":"m","prompt":"a","max_tokens":"1"}', "max_tokens"),
    ('{"model":"m","prompt":"a","best_of":1.5}', "best_of"),
    ('{"model":"m","prompt":"a","logprobs":true}', "logprobs"),
]


@pytest.mark.parametrize("case", cases("openai_completions_requests"))
def test_a_round_trip_loses_nothing(case: dict[str, Any]) -> None:
    body = json.dumps(case["body"]).encode()
    decoded = request.decode(body)
    encoded = request.encode(decoded)
    assert json.loads(encoded) == case.get("encoded", case["body"])
    assert request.decode(encoded) == decoded
    head = request.peek(body)
    assert (head.model, head.stream, head.include_usage) == (decoded.model, decoded.stream, decoded.include_usage)
    assert head.max_output_tokens == decoded.sampling.max_output_tokens


def test_decoded() -> None:
    body = b'{"model":"m","prompt":[[1,2],[3]],"logprobs":2,"max_tokens":4,"echo":true,"x":1}'
    assert request.decode(body) == CompletionRequest(
        model="m",
        prompts=((1, 2), (3,)),
        sampling=Sampling(logprobs=True, top_logprobs=2, max_output_tokens=4),
        echo=True,
        extensions={"openai_completions": {"x": 1}},
    )


@pytest.mark.parametrize(("body", "param"), _BAD)
def test_decode_refuses(body: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request.decode(body.encode())
    assert caught.value.param == param.split("[")[0]


@pytest.mark.parametrize(
    ("body", "param"), [row for row in _BAD if row[0].count("[") < 1 and "logprobs" not in row[0]]
)
def test_peek_refuses(body: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request.peek(body.encode())
    assert caught.value.param == param


@pytest.mark.parametrize("field", ["model", "stream", "prompt", "max_tokens", "n", "best_of", "stream_options"])
def test_peek_refuses_a_field_twice(field: str) -> None:
    values = {
        "model": "m",
        "prompt": "a",
        "stream": True,
        "max_tokens": 1,
        "n": 1,
        "best_of": 1,
        "stream_options": {},
    }
    body = json.dumps(values)[:-1] + f',"{field}":{json.dumps(values[field])}}}'
    with pytest.raises(InvalidRequest, match=f"'{field}' is given more than once"):
        request.peek(body.encode())


def test_what_a_server_does_not_know_is_dropped_and_listed() -> None:
    dropped: list[str] = []
    asked = CompletionRequest(model="m", prompts=("a",), sampling=Sampling(top_k=4))
    encoded = request.encode(asked, profile=Profile(top_k=False), dropped=dropped)
    assert (json.loads(encoded), dropped) == ({"model": "m", "prompt": "a"}, ["top_k"])
