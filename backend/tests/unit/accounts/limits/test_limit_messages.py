"""What is said to a caller who has had enough for now."""

import pytest

from app.accounts.limits.refusals import over
from app.domain.limits import Estimate, Rate, Standing, Unit


@pytest.mark.parametrize(
    ("unit", "limit", "said"),
    [
        ("requests", 1, "The limit of 1 request in a minute is reached; try again in 5 s."),
        ("requests", 2000, "The limit of 2,000 requests in a minute is reached; try again in 5 s."),
        ("input_tokens", 1, "The limit of 1 input token in a minute is reached; try again in 5 s."),
        ("concurrent", 1, "The limit of 1 request at the same time is reached; try again in 5 s."),
        ("concurrent", 2, "The limit of 2 requests at the same time is reached; try again in 5 s."),
    ],
)
def test_one_is_said_as_one(unit: Unit, limit: int, said: str) -> None:
    assert over(Rate(unit=unit, limit=limit), 5.0, [], Estimate(0, 0)).message == said


def test_what_is_left_is_said_in_its_number() -> None:
    rate = Rate(unit="tokens", limit=9)
    for left, said in ((1, ": 1 is left, and"), (2, ": 2 are left, and")):
        standing = Standing(rate=rate, remaining=left, reset=5.0)
        assert said in over(rate, 5.0, [standing], Estimate(20, 0)).message
