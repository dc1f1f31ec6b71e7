"""The model's name exchanged, and not one byte more."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.exchange import Encoded
from app.wire.openai_chat.request import peek
from app.wire.splice import splice
from app.wire.top_level import locate
from tests.wire.cases import cases

_LONG = "x" * 20_000


@pytest.mark.parametrize("case", cases("splice"))
@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "raw"])
def test_spliced(case: dict[str, Any], ascii_only: bool) -> None:
    body, want = (case[name].replace("<long>", _LONG).encode() for name in ("body", "want"))
    if ascii_only and not body.isascii():
        return
    assert splice(body, "NEW") == want


def test_the_same_name_costs_no_copy() -> None:
    body = b'{"model": "a/b", "x": 1}'
    assert splice(body, "a/b") is body


@pytest.mark.parametrize("name", ['a"b\\', "é€\U0001f600", "a\nb", "publishers/x/models/y"])
def test_a_name_is_escaped(name: str) -> None:
    assert json.loads(splice(b'{"n":1,"model":"a"}', name)) == {"n": 1, "model": name}


@pytest.mark.parametrize("content", ["hi", _LONG])
def test_what_a_peek_finds_on_its_way_is_found_once(content: str) -> None:
    members = {"messages": [{"role": "user", "content": content}], "model": "m"}
    body = json.dumps(members).encode()
    _, places = peek.look(body)
    assert places == (locate(body) if content == _LONG else None)
    assert Encoded("openai_chat", body, splice, places=places).holding(b"{}").places is None
    # The caller's bytes are not looked through again: with other places, another text is exchanged.
    assert splice(b'{"model":"m"}', "NEW", {"model": (0, 0)}) == b'"NEW"{"model":"m"}'


keys = st.sampled_from(["model", "messages", "Model", '"model":', "a", "mode\u0142"]) | st.text(max_size=3)
values = st.recursive(
    st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["model", '"model":"x"', "\\", '\\"model'])
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(keys, values, max_size=4),
    st.dictionaries(keys, values, max_size=4),
    st.booleans(),
    st.booleans(),
)
def test_every_other_member_stays(before: dict[str, Any], after: dict[str, Any], raw: bool, long: bool) -> None:
    members = {**({"messages": _LONG} if long else {}), **before, "model": "x", **after}
    members["model"] = "old"
    body = json.dumps(members, ensure_ascii=not raw, indent=1 if raw else None).encode()
    spliced = splice(body, "n\u00e9w")
    assert splice(body, "n\u00e9w", locate(body)) == spliced
    assert json.loads(spliced) == {**members, "model": "n\u00e9w"}
    assert splice(spliced, "old") == body.replace("n\u00e9w".encode(), b"old")
