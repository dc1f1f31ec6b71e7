"""Fields that a server refuses are left out; every other byte of a body that holds none stays as it is."""

import json

import pytest

from app.integrations.kit.refused import add, drop

FIELDS = frozenset({"logprobs", "logit_bias", "messages[].name", "max_completion_tokens>max_tokens"})


@pytest.mark.parametrize(
    "body",
    [
        b'{ "model" : "m","messages":[ ] }',
        b'{"tools":[{"type":"function","function":{"name":"logprobs"}}], "messages":[{"role":"user"}] }',
        b'{"user": "the \\"logprobs\\" of it"}',
        b'not "logprobs" JSON',
        b'["logprobs"]',
        b'{"messages":"x", "name": "top level"}',
    ],
)
def test_a_body_without_them_is_the_very_same(body: bytes) -> None:
    assert drop(body, FIELDS) is body


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"model": "m", "logprobs": True, "n": 1}, {"model": "m", "n": 1}),
        ({"logit_bias": {"1": 2}, "logprobs": None, "seed": 2**53 + 1}, {"seed": 2**53 + 1}),
        (
            {"messages": [{"role": "user", "name": "a", "content": "x"}, {"role": "user"}], "name": 1},
            {"messages": [{"role": "user", "content": "x"}, {"role": "user"}], "name": 1},
        ),
        ({"max_completion_tokens": 5, "n": 1}, {"n": 1, "max_tokens": 5}),
        ({"max_completion_tokens": 5, "max_tokens": 7}, {"max_tokens": 7}),
    ],
)
def test_they_are_left_out_or_renamed(body: object, wanted: object) -> None:
    assert json.loads(drop(json.dumps(body).encode(), FIELDS)) == wanted


def test_what_was_left_out_is_told_and_what_was_renamed_is_not() -> None:
    dropped: list[str] = []
    body = {"logprobs": True, "max_completion_tokens": 5, "messages": [{"name": "a"}, {"name": "b"}], "seed": 1}
    drop(json.dumps(body).encode(), FIELDS, dropped)
    assert sorted(dropped) == ["logprobs", "messages[].name"]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"model": 1.50}', b'{"model":1.50,"plugins":[]}'),
        (b'{"plugins" : ["own"] }', b'{"plugins" : ["own"] }'),
        (b"no JSON", b"no JSON"),
    ],
)
def test_only_what_is_lacking_is_added(body: bytes, wanted: bytes) -> None:
    assert add(body, {"plugins": []}) == wanted


def test_the_order_and_the_spelling_of_the_rest_stay() -> None:
    assert drop(b'{"b": 1.50, "logprobs": 1, "a": "\\u00e9"}', FIELDS) == b'{"b":1.50,"a":"\\u00e9"}'
