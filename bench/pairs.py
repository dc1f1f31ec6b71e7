"""Two things measured by turns. They change who is first, so that no drift of the machine is one's."""

import statistics
from collections.abc import Callable, Iterable

Pair = tuple[float, float]


def take_pairs(count: int, one: Callable[[], float], other: Callable[[], float]) -> list[Pair]:
    pairs = []
    for number in range(count):
        if number % 2:
            second, first = other(), one()
        else:
            first, second = one(), other()
        pairs.append((first, second))
    return pairs


def quartiles(values: Iterable[float]) -> tuple[float, float, float]:
    """The low one, the median, the high one; of two values or more."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
