"""Patterns of model names."""

import time

import pytest

from app.domain.patterns import covers, matches


@pytest.mark.parametrize(
    ("patterns", "name", "fits"),
    [
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("gpt-*",), "gpt-4o", True),
        (("gpt-*",), "gpt-", True),
        (("gpt-*",), "GPT-4o", False),
        (("*",), "", True),
        (("*-mini",), "gpt-4o-mini", True),
        (("openai/*-mini",), "openai/gpt-mini", True),
        (("openai/*-mini",), "groq/gpt-mini", False),
        (("a*b*c",), "a-b-b-c", True),
        (("a*b*c",), "ac", False),
        (("ab*ba",), "aba", False),
        (("x", "y*"), "yes", True),
        (("llama.1",), "llamax1", False),
        (("a*",), "a\nb", True),
        ((), "anything", False),
    ],
)
def test_matches(patterns: tuple[str, ...], name: str, fits: bool) -> None:
    assert matches(patterns, name) is fits


@pytest.mark.parametrize(
    ("pattern", "other", "all_of_it"),
    [
        ("*", "gpt-*", True),
        ("gpt-*", "gpt-4*", True),
        ("gpt-4*", "gpt-*", False),
        ("gpt-4", "gpt-*", False),
        ("*a*", "*", False),
        ("a*b", "a*", False),
        ("a*b", "a*x*b", True),
        ("gpt-*", "gpt-*", True),
    ],
)
def test_covers(pattern: str, other: str, all_of_it: bool) -> None:
    assert covers(pattern, other) is all_of_it


def test_no_pattern_makes_matching_slow() -> None:
    """What a regular expression would try for hours."""
    began = time.perf_counter()
    assert not matches(("*a" * 60 + "*b",), "a" * 100_000)
    assert time.perf_counter() - began < 0.5
