"""Time as something that can be handed in, so that tests need not wait. The virtual one is app.testing.clock."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds throughout."""

    def now(self) -> float:
        """Unix time: for people, may jump."""
        ...

    def monotonic(self) -> float:
        """For durations: never goes back, starts anywhere."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock and the event loop's timers."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def finished_within(clock: Clock, task: asyncio.Task[object], seconds: float) -> bool:
    """Wait until `task` is done, `seconds` at most, and say whether it is. The task is left as it is."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
    return task.done()
