"""The sliding window: never over the limit in any stretch of its length, and not much stricter than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.limits.window import STEPS, SlidingWindow


@given(
    limit=st.integers(1, 20),
    window=st.sampled_from([0.5, 1.0, 60.0, 3600.0]),
    gaps=st.lists(st.tuples(st.floats(0, 0.4), st.integers(1, 6)), max_size=120),
)
def test_never_more_than_the_limit_in_any_window(limit: int, window: float, gaps: list[tuple[float, int]]) -> None:
    sliding, now = SlidingWindow(limit, window), 1000.0
    let_in: list[tuple[float, int]] = []
    for gap, amount in gaps:
        now += gap * window
        fits = sliding.fits(amount, now)
        if fits:
            sliding.take(amount, now, force=True)
            let_in.append((now, min(amount, limit)))
        within = sum(each for at, each in let_in if now - window < at <= now)
        assert within <= limit
        # Nor is anybody kept out for what happened more than a step beyond the window ago.
        recent = sum(each for at, each in let_in if now - window * (1 + 1 / STEPS) - 1e-6 <= at)
        if not fits:
            assert recent + min(amount, limit) > limit


@given(amounts=st.lists(st.integers(1, 5), min_size=1, max_size=30), asked=st.integers(1, 10))
def test_what_is_said_of_the_wait_holds(amounts: list[int], asked: int) -> None:
    sliding, now = SlidingWindow(10, 60.0), 500.0
    for amount in amounts:
        now += 1.0
        if sliding.fits(amount, now):
            sliding.take(amount, now, force=True)
    wait, fits = sliding.free_in(asked, now), sliding.fits(asked, now)
    assert (wait == 0) == fits
    assert sliding.fits(asked, now + wait + 1e-6)
    assert 0 <= wait <= 60.0 * (1 + 1 / STEPS)
    assert sliding.left(now + sliding.left(now)[1] + 1e-6)[0] == 10


def test_an_estimate_is_corrected_where_it_was_counted() -> None:
    sliding = SlidingWindow(100, 60.0)
    step, *_ = sliding.take(80, 0.5, force=True) or (0,)
    sliding.correct(step, -50, 10.0)
    assert sliding.left(10.0)[0] == 70
    sliding.correct(step, +20, 30.0)
    assert sliding.left(60.4)[0] == 50
    assert sliding.left(62.0)[0] == 100
    sliding.correct(step, -20, 62.0)  # too late to matter
    assert sliding.left(62.0)[0] == 100


@pytest.mark.parametrize("amount", [100, 101, 10_000])
def test_who_needs_more_than_there_ever_is_gets_the_whole_of_an_empty_window(amount: int) -> None:
    sliding = SlidingWindow(100, 60.0)
    assert sliding.fits(amount, 0.0)
    sliding.take(1, 0.0, force=True)
    assert not sliding.fits(amount, 0.0)
