"""Money as people read it."""

import pytest

from app.domain.prices import dollars


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        *[(0, "0.00"), (1e-9, "0.000000001"), (0.00216, "0.00216"), (0.5, "0.50"), (0.999999999, "0.999999999")],
        *[(1, "1.00"), (12.345, "12.35"), (123_456_789.1, "123,456,789.10"), (1e9, "1,000,000,000.00")],
    ],
)
def test_a_small_sum_is_not_told_as_none(amount: float, told: str) -> None:
    assert dollars(amount) == told
