"""The fair queue for a target's few places."""

import asyncio

import pytest

from app.domain.errors import RateLimited
from app.inference.slots import Slots

LONG = 60.0


async def settle() -> None:
    """Until every task that can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


class Line:
    """Takes places under the names of callers, and remembers the order in which they were had."""

    def __init__(self, limit: int) -> None:
        self.slots = Slots(limit)
        self.served: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, rank: int = 0, patience: float = LONG) -> None:
        async def take() -> None:
            await self.slots.take(name[0], rank, patience)
            self.served.append(name)

        self.tasks[name] = asyncio.create_task(take())
        await settle()

    async def serve_all(self) -> list[str]:
        while self.slots.taken:
            self.slots.give_back(0.1)
            await settle()
        return self.served


async def test_without_a_limit_nobody_waits() -> None:
    slots = Slots()
    assert [await slots.take("a", 0, 0.0) for _ in range(1000)] == [0.0] * 1000


async def test_callers_take_turns() -> None:
    line = Line(1)
    for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1"):
        await line.come(name)
    assert await line.serve_all() == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


async def test_higher_classes_go_first() -> None:
    line = Line(1)
    for name, rank in (("x", 0), ("low", 0), ("mid", 1), ("high", 2), ("more", 2)):
        await line.come(name, rank)
    assert await line.serve_all() == ["x", "high", "more", "mid", "low"]


async def test_who_cannot_be_served_in_time_is_told_at_once_and_when_to_come_again() -> None:
    line = Line(2)
    for name in ("a", "b", "c"):
        await line.come(name)
    line.slots.give_back(4.0)  # an answer takes 4 s, as has been seen now
    await settle()
    assert line.served == ["a", "b", "c"]
    assert line.slots.expected_wait() == 2.0
    with pytest.raises(RateLimited) as refused:
        await line.slots.take("d", 0, 2.6)
    assert (refused.value.retry_after, refused.value.code) == (2.0, "queue_full")
    assert line.slots.waiting() == 0


async def test_patience_ends() -> None:
    line = Line(1)
    line.slots.take_free()
    line.slots.give_back(0.001)
    await line.come("a")
    with pytest.raises(RateLimited):
        await line.slots.take("b", 0, 0.02)
    assert line.slots.waiting() == 0
    assert await line.serve_all() == ["a"]
    assert line.slots.taken == 0


async def test_a_caller_that_leaves_leaves_its_place_in_the_line() -> None:
    line = Line(1)
    for name in ("a", "b", "c"):
        await line.come(name)
    line.tasks["b"].cancel()
    await settle()
    assert await line.serve_all() == ["a", "c"]
    assert (line.slots.taken, line.slots.waiting()) == (0, 0)


async def test_a_place_that_was_given_to_one_who_is_leaving_goes_to_the_next() -> None:
    line = Line(1)
    for name in ("a", "b", "c"):
        await line.come(name)
    line.slots.give_back(0.1)  # b is given the place …
    line.tasks["b"].cancel()  # … and is gone before it hears of it
    await settle()
    assert line.served == ["a", "c"]
    line.slots.give_back(0.1)
    assert line.slots.taken == 0


async def test_a_cancelled_one_is_passed_over_also_before_it_has_noticed() -> None:
    line = Line(1)
    for name in ("a", "b", "c"):
        await line.come(name)
    line.tasks["b"].cancel()
    line.slots.give_back(0.1)
    await settle()
    assert line.served == ["a", "c"]


async def test_a_larger_limit_lets_more_in() -> None:
    line = Line(1)
    for name in ("a", "b", "c"):
        await line.come(name)
    line.slots.limit = 3
    await settle()
    assert line.served == ["a", "b", "c"]


async def test_the_wait_is_told() -> None:
    line, ahead = Line(1), list[int]()
    for name in ("a", "b"):
        await line.come(name)
    task = asyncio.create_task(line.slots.take("c", 0, LONG, ahead.append))
    await settle()
    assert ahead == [1]
    await line.serve_all()
    await settle()
    assert task.result() > 0
