"""What a call costs: by the tokens of its answer, and by the time of its attempts."""

import pytest

from app.domain.prices import Price
from app.domain.usage import Usage
from app.inference.call import Attempt, Call
from tests.unit.inference.targets import target
from tests.unit.inference.test_router import call_for

USED = Usage(input_tokens=1_000_000, output_tokens=500_000)
TOKENS = Price(input=2, output=4)
TIME = Price(input=0, per_hour=3.6)


def call_with(*attempts: tuple[Price | None, float]) -> Call:
    """Each attempt: at which price, and how many seconds it took."""
    call = call_for()
    for price, seconds in attempts:
        call.attempts.append(Attempt(call, target(price=price), began=100.0, ended=100.0 + seconds))
    return call


@pytest.mark.parametrize(
    ("attempts", "usage", "cost"),
    [
        ([], USED, None),
        ([(None, 5.0)], USED, None),
        ([(TOKENS, 5.0)], USED, 4.0),
        ([(TOKENS, 5.0)], None, None),
        ([(TIME, 5.0)], USED, 0.005),
        ([(TIME, 5.0)], None, 0.005),
        ([(Price(input=2, output=4, per_hour=3.6), 5.0)], USED, 4.005),
        ([(TIME, 60.0), (TOKENS, 5.0)], USED, 4.06),
        ([(TOKENS, 60.0), (TIME, 5.0)], USED, 0.005),
        ([(Price(input=0), 5.0)], USED, 0.0),
    ],
)
def test_tokens_of_the_answer_and_time_of_every_attempt(
    attempts: list[tuple[Price | None, float]], usage: Usage | None, cost: float | None
) -> None:
    assert call_with(*attempts).cost(usage) == (None if cost is None else pytest.approx(cost))


def test_what_comes_from_the_cache_costs_nothing() -> None:
    call = call_with((TIME, 5.0))
    call.cache_status = "hit"
    assert call.cost(USED) is None


def test_an_attempt_under_way_costs_more_with_every_moment() -> None:
    call = call_with((TIME, 0.0))
    call.attempts[0].began, call.attempts[0].ended = 0.0, 0.0
    first = call.cost(None)
    second = call.cost(None)
    assert first is not None
    assert second is not None
    assert 0 < first < second
