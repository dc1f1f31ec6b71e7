import random

import pytest

from app.core.backoff import Backoff


@pytest.mark.parametrize(
    ("attempt", "ceiling"),
    [(0, 1.0), (1, 3.0), (2, 9.0), (3, 27.0), (4, 50.0), (10_000, 50.0)],
)
def test_ceiling_grows_to_the_maximum_and_never_overflows(attempt: int, ceiling: float) -> None:
    assert Backoff(base=1.0, factor=3.0, maximum=50.0).ceiling(attempt) == ceiling


def test_full_jitter_draws_from_nothing_to_the_ceiling() -> None:
    backoff = Backoff(base=8.0, maximum=100.0, random=random.Random(1))
    draws = [backoff.delay(0) for _ in range(500)]
    assert all(0.0 <= draw <= 8.0 for draw in draws)
    assert min(draws) < 0.5
    assert max(draws) > 7.5


def test_longest_draws_up_to_the_maximum() -> None:
    backoff = Backoff(base=1.0, maximum=100.0, random=random.Random(1))
    assert 90.0 < max(backoff.longest() for _ in range(500)) <= 100.0


def test_the_same_seed_gives_the_same_waits() -> None:
    first, second = (Backoff(random=random.Random(5)) for _ in range(2))
    assert [first.delay(n) for n in range(9)] == [second.delay(n) for n in range(9)]
