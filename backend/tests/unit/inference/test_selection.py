"""Attempt plans."""

from collections import Counter
from random import Random

from app.inference.call import Target
from app.inference.selection import MAX_ATTEMPTS, by_priority
from app.testing.providers import ScriptedProvider

SOURCE = ScriptedProvider([])


def target(model: str, *, priority: int = 1, weight: float = 1.0) -> Target:
    return Target(source=SOURCE, model=model, priority=priority, weight=weight)


def test_lower_priority_numbers_come_first_and_the_plan_is_short() -> None:
    targets = [target(str(n), priority=n) for n in (3, 1, 4, 2, 5)]
    plan = by_priority(targets, Random(1).random)
    assert [each.model for each in plan] == ["1", "2", "3"][:MAX_ATTEMPTS]


def test_equals_are_drawn_by_weight() -> None:
    random = Random(7)
    targets = [target("heavy", weight=3), target("light", weight=1), target("never", weight=0)]
    first = Counter(by_priority(targets, random.random)[0].model for _ in range(4000))
    assert 2.5 < first["heavy"] / first["light"] < 3.6
    assert first["never"] == 0
