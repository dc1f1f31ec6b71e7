import asyncio
import time

from app.core.clock import SystemClock, finished_within
from app.testing.clock import VirtualClock


async def test_system_clock_tells_unix_time_and_never_goes_back() -> None:
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 5.0
    before = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= before


async def test_finished_within_says_whether_and_leaves_the_task_alone() -> None:
    clock = VirtualClock()
    gate = asyncio.Event()
    task = asyncio.create_task(gate.wait())
    waiting = asyncio.create_task(finished_within(clock, task, 10.0))

    await clock.advance(9.9)
    assert not waiting.done()
    await clock.advance(0.1)
    assert waiting.result() is False
    assert not task.done()

    gate.set()
    assert await finished_within(clock, task, 10.0) is True
