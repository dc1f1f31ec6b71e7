import asyncio

from app.testing.clock import VirtualClock


async def sleeper(clock: VirtualClock, log: list[tuple[str, float]], name: str, *waits: float) -> None:
    for seconds in waits:
        await clock.sleep(seconds)
        log.append((name, clock.monotonic()))


async def test_time_stands_still_until_it_is_advanced() -> None:
    clock = VirtualClock(now=100.0)
    log: list[tuple[str, float]] = []
    task = asyncio.create_task(sleeper(clock, log, "a", 1.0))
    await clock.settle()
    assert (clock.now(), clock.monotonic(), log) == (100.0, 0.0, [])

    await clock.advance(1.0)
    assert (clock.now(), clock.monotonic()) == (101.0, 1.0)
    assert task.done()


async def test_sleepers_wake_each_at_its_own_time_and_in_order() -> None:
    clock = VirtualClock()
    log: list[tuple[str, float]] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper(clock, log, "slow", 3.0))
        group.create_task(sleeper(clock, log, "twice", 1.0, 1.0))
        group.create_task(sleeper(clock, log, "tie", 1.0))
        await clock.advance(10.0)
    assert log == [("twice", 1.0), ("tie", 1.0), ("twice", 2.0), ("slow", 3.0)]


async def test_a_cancelled_sleeper_does_not_disturb_the_others() -> None:
    clock = VirtualClock()
    log: list[tuple[str, float]] = []
    cancelled = asyncio.create_task(sleeper(clock, log, "cancelled", 1.0))
    other = asyncio.create_task(sleeper(clock, log, "other", 2.0))
    await clock.settle()
    cancelled.cancel()
    await clock.advance(2.0)
    assert log == [("other", 2.0)]
    assert other.done()


async def test_sleeping_for_nothing_only_yields() -> None:
    await VirtualClock().sleep(0)
