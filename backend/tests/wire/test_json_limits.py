"""How deep JSON may nest, and that finding out is never slow."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest
from app.wire.json_limits import check_depth


def nested(depth: int, inner: bytes = b"") -> bytes:
    opening = b'{"a":[' * (depth // 2) + b"[" * (depth % 2)
    return opening + inner + b"]" * (depth % 2) + b"]}" * (depth // 2)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        nested(64),
        nested(63, b"[]"),
        b"[" + b",".join([nested(63)] * 50) + b"]",
        b'["' + b"[" * 500 + b'"]',
        b'["\\"' + b"[{" * 500 + b'\\\\", []]',
        b'["' + b"a" * 20_000 + b"[" * 500 + b'", "\\\\", "]"]',
        b'["\\n\\"' + b"[" * 100 + b'\\u005b\\"", "", ""]',
        b"[" + b"{}," * 10_000 + b"{}]",
        b"[" * 64,
    ],
)
def test_allowed(body: bytes) -> None:
    check_depth(body)


@pytest.mark.parametrize(
    "body",
    [
        nested(65),
        nested(64, b"[]"),
        nested(64, b"{}"),
        b"[" + b",".join([nested(64)] * 50) + b"]",
        b'["\\\\", ' + b"[" * 64 + b"]" * 64 + b"]",
        b'["\\\\\\"]", ' + b"[" * 64 + b"]" * 64 + b"]",
        b'["' + b"a" * 20_000 + b'", ' + b"[" * 64 + b"]" * 64 + b"]",
        b"[" * 65,
        b"[" * 100_000,
    ],
)
def test_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="deeper than 64 levels"):
        check_depth(body)


@pytest.mark.parametrize(
    "unit", [b"[", b"]", b"[]", b'"', b'""', b"\\", b'\\"', b'"[', b"[" * 64 + b"]" * 64, b'{"a":"b"},']
)
def test_bounded_time(unit: bytes) -> None:
    """20 MB of the worst takes a second or so; anything quadratic would take hours."""
    body = unit * (20_000_000 // len(unit))
    began = time.process_time()
    with suppress(InvalidRequest):
        check_depth(body)
    assert time.process_time() - began < 15


values = st.recursive(
    st.none() | st.integers() | st.text('[]{}"\\ab\n'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\a'), inner, max_size=3),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth_of, inner), default=0)
    return 0


@settings(max_examples=300, deadline=None)
@given(values, st.integers(0, 6), st.booleans())
def test_agrees_with_the_parsed_value(value: object, limit: int, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    if depth_of(value) <= limit:
        check_depth(body, limit)
    else:
        with pytest.raises(InvalidRequest):
            check_depth(body, limit)
