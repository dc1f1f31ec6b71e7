"""Two attempts side by side, and the first to answer is taken. The other one is ended at once."""

import asyncio
from collections.abc import Awaitable, Callable

from app.domain.events import EventStream
from app.inference.call import Attempt

Try = Callable[[Attempt], Awaitable[EventStream]]


async def race(
    first: Attempt,
    after: float,
    second: Callable[[], Attempt | None],
    attempt: Try,
    lost: Callable[[Attempt], None],
) -> tuple[Attempt, EventStream]:
    """Who won, and its stream. `second` is asked for after `after` seconds of silence, and may decline. `lost` is
    told of one that had answered too, a moment too late.

    Raises the error of the last one when all failed.
    """
    running: dict[asyncio.Task[EventStream], Attempt] = {_started(attempt, first): first}
    try:
        done, _ = await asyncio.wait(running, timeout=after)
        if not done and (other := second()) is not None:
            running[_started(attempt, other)] = other
        return await _first_of(running)
    finally:
        await _end(running, lost)


def _started(attempt: Try, subject: Attempt) -> "asyncio.Task[EventStream]":
    async def run() -> EventStream:
        return await attempt(subject)

    return asyncio.get_running_loop().create_task(run())


async def _first_of(running: "dict[asyncio.Task[EventStream], Attempt]") -> tuple[Attempt, EventStream]:
    """Takes the winner, and those that failed, out of `running`."""
    while True:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return running.pop(task), task.result()
        failed = [(task, running.pop(task)) for task in done]
        if not running:
            raise failed[-1][0].exception() or AssertionError


async def _end(running: "dict[asyncio.Task[EventStream], Attempt]", lost: Callable[[Attempt], None]) -> None:
    for task in running:
        task.cancel()
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    for subject, outcome in zip(running.values(), outcomes, strict=True):
        if not isinstance(outcome, BaseException):
            lost(subject)
            await outcome.aclose()
