"""The order in which targets are tried: pure functions from targets to an attempt plan.

A plan lists targets; a retry is the same target listed twice.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter

from app.inference.call import Target

MAX_ATTEMPTS = 3


def by_priority(targets: Sequence[Target], random: Callable[[], float]) -> tuple[Target, ...]:
    """Lowest priority number first; targets of equal priority in a weighted random order.

    `random` gives floats in [0, 1). At most MAX_ATTEMPTS targets.
    """
    if len(targets) == 1:
        return (targets[0],)
    plan: list[Target] = []
    for _, group in groupby(sorted(targets, key=attrgetter("priority")), key=attrgetter("priority")):
        plan.extend(_weighted_order(list(group), random))
    return tuple(plan[:MAX_ATTEMPTS])


def _weighted_order(targets: list[Target], random: Callable[[], float]) -> list[Target]:
    """Efraimidis and Spirakis: sort by u ** (1 / weight); a weight of 0 comes last."""
    return sorted(
        targets, key=lambda each: random() ** (1 / each.weight) if each.weight > 0 else -1.0, reverse=True
    )
