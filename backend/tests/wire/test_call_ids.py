"""Signatures in the ids of tool calls: there and back, through clients that change ids, and not to others."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.wire import call_ids

SIGNATURE = base64.b64encode(bytes(range(256)) * 4).decode()
SIGNED = call_ids.sign("call_1", SIGNATURE)


@given(st.from_regex(r"[A-Za-z0-9-]{1,24}", fullmatch=True), st.binary(min_size=1, max_size=64))
def test_there_and_back(id: str, secret: bytes) -> None:
    signature = base64.b64encode(secret).decode()
    signed = call_ids.sign(id, signature)
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", signed)
    assert call_ids.split(signed) == (id, signature)


@pytest.mark.parametrize(
    ("id", "parts"),
    [
        ("call_1", ("call_1", None)),
        ("call_1__thought__" + SIGNATURE, ("call_1", SIGNATURE)),
        ("call_1__thought__" + SIGNATURE[:1001], ("call_1", None)),
        ("call_1__thought__not base64!", ("call_1", None)),
        ("call_1__thought_", ("call_1", None)),
        ("call_1__thought_00000000_AAAA", ("call_1", None)),
        ("", ("", None)),
    ],
    ids=[
        "plain",
        "LiteLLM's",
        "LiteLLM's, cut",
        "LiteLLM's, changed",
        "cut at the mark",
        "another checksum",
        "none",
    ],
)
def test_other_ids(id: str, parts: tuple[str, str | None]) -> None:
    assert call_ids.split(id) == parts


@pytest.mark.parametrize("length", [16, 17, 25, 26, 40, 64, len(SIGNED) - 1])
def test_a_shortened_id_is_the_same_call_without_its_signature(length: int) -> None:
    assert call_ids.split(SIGNED[:length]) == ("call_1", None)


@pytest.mark.parametrize("change", [str.lower, lambda id: id.replace("-", "_"), lambda id: id + "x"])
def test_a_changed_id_is_the_same_call_without_its_signature(change: "type[str]") -> None:
    assert call_ids.split(change(SIGNED)) == ("call_1", None)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"tool_calls": [{"id": "%", "type": "function"}]}, {"role": "tool", "tool_call_id": "%"}]},
        {"messages": [{"content": [{"type": "tool_use", "id": "%"}]}, {"content": [{"tool_use_id": "%"}]}]},
        {"input": [{"type": "function_call", "id": "fc_%", "call_id": "%"}, {"call_id": "%"}]},
    ],
    ids=["chat", "messages", "responses"],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_others_see_the_bare_id(body: object, separators: tuple[str, str]) -> None:
    text = json.dumps(body, separators=separators)
    signed = text.replace("%", SIGNED).encode()
    assert call_ids.without_signatures(signed) == text.replace("%", "call_1").encode()


@pytest.mark.parametrize(
    "body",
    [
        {"id": "call_1"},
        {"content": f'its "id": "{SIGNED}"', "name": SIGNED},
        {"id": "call_1__thought__" + SIGNATURE},
    ],
    ids=["nothing to leave out", "what a text quotes", "LiteLLM's"],
)
def test_all_else_is_let_be(body: object) -> None:
    text = json.dumps(body).encode()
    assert call_ids.without_signatures(text) == text
