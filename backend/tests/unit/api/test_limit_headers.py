"""Limits in headers: which of several is told, and how times are written."""

from datetime import UTC, datetime, timedelta

import pytest

from app.api.head import headers_in
from app.api.limit_headers import anthropic_headers, metadata, openai_headers
from app.domain.limits import Rate, Standing, Unit


def standing(unit: Unit, limit: int, remaining: int, reset: float = 1.0) -> Standing:
    return Standing(rate=Rate(unit=unit, limit=limit), remaining=remaining, reset=reset)


STANDINGS = (
    standing("requests", 100, 90),
    standing("requests", 5000, 1000, 7200.0),
    standing("input_tokens", 1000, 600),
    standing("output_tokens", 500, 400, 30.0),
    standing("concurrent", 5, 0),
)


def test_of_several_the_nearest_is_told() -> None:
    assert headers_in(openai_headers(STANDINGS)) == [
        (b"x-ratelimit-limit-requests", b"5000"),
        (b"x-ratelimit-remaining-requests", b"1000"),
        (b"x-ratelimit-reset-requests", b"2h0m0s"),
        (b"x-ratelimit-limit-tokens", b"1000"),
        (b"x-ratelimit-remaining-tokens", b"600"),
        (b"x-ratelimit-reset-tokens", b"1s"),
    ]
    assert dict(metadata(STANDINGS))["x-ratelimit-remaining-tokens"] == "600"
    assert openai_headers(STANDINGS[4:]) == openai_headers(()) == b""


def test_anthropics_have_times_of_day() -> None:
    told = dict(headers_in(anthropic_headers(STANDINGS)))
    assert len(told) == 12
    assert told[b"anthropic-ratelimit-input-tokens-remaining"] == b"600"
    assert told[b"anthropic-ratelimit-output-tokens-limit"] == b"500"
    assert told[b"anthropic-ratelimit-tokens-remaining"] == b"600"
    at = datetime.fromisoformat(told[b"anthropic-ratelimit-requests-reset"].decode())
    assert abs(at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(seconds=3)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, b"0ms"),
        (0.02, b"20ms"),
        (1.0, b"1s"),
        (8.64, b"8.6s"),
        (59.97, b"1m0s"),
        (360.0, b"6m0s"),
        (3630.5, b"1h0m30.5s"),
        (90_000.0, b"25h0m0s"),
    ],
)
def test_times_are_written_as_go_does(seconds: float, written: bytes) -> None:
    assert headers_in(openai_headers([standing("requests", 1, 1, seconds)]))[2][1] == written
