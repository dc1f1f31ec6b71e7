from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest, UnsupportedFeature
from app.integrations.model_platforms.local_models.grammars import check_grammars


def schema(pattern: str) -> dict[str, Any]:
    return {"response_format": {"json_schema": {"schema": {"properties": {"a": [{"pattern": pattern}]}}}}}


@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z]{1,63}([.][a-z]{1,63}){0,8}$",
        r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?)?$",
        "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$",
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "^(?:yes|no|)$",
        r"[\]\[(]{3}\(\{",
        "a+?b*?",
        "",
        "x" * 1000,
    ],
)
def test_patterns_of_daily_use_pass(pattern: str) -> None:
    check_grammars(schema(pattern))


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a{1000}){1000}", "counts are too high"),
        ("a{" + "9" * 900 + "}", "counts are too high"),
        ("(a|b)*{100}{100}", "two quantifiers"),
        ("a**", "two quantifiers"),
        ("(a*){30}", "may be empty"),
        ("(a*)*", "may be empty"),
        ("(a?b?){40}", "may be empty"),
        ("((a|b)*c?){1,12}", "may be empty"),
        ("(a|){9}", "may be empty"),
        ("(x{0,3})+", "may be empty"),
        ("(" * 30 + "a" + ")" * 30, "20 deep"),
        ("(a", "do not match"),
        ("a)", "do not match"),
        ("x" * 1001, "longer than 1000"),
    ],
)
def test_patterns_that_explode_are_refused(pattern: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason) as caught:
        check_grammars(schema(pattern))
    assert caught.value.param == "response_format"


@given(st.text(alphabet="ab()[]{}*+?|\\^$0123456789,", max_size=60))
def test_any_text_is_judged(pattern: str) -> None:
    with suppress(InvalidRequest):
        check_grammars(schema(pattern))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"enum": ["x" * 100] * 700}}, "response_format"),
        ({"json_schema": "x" * 70_000}, "json_schema"),
        ({"tools": ["x" * 140_000]}, "tools"),
    ],
)
def test_what_is_too_large_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest, match=f"'{param}' takes") as caught:
        check_grammars(fields)
    assert caught.value.param == param


def test_requests_without_grammars_pass() -> None:
    check_grammars({"tools": [{"function": {"name": "f"}}], "response_format": None})


def test_bare_grammars_are_refused() -> None:
    with pytest.raises(UnsupportedFeature, match="use 'response_format'"):
        check_grammars({"grammar": 'root ::= "a"'})
