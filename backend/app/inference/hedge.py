"""Two attempts side by side, and the first to answer is taken. The other one is ended, which nobody waits for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.domain.errors import PlatformError
from app.domain.events import EventStream
from app.inference.call import Attempt

Try = Callable[[Attempt], Awaitable[EventStream]]
Running = dict["asyncio.Task[EventStream]", Attempt]

logger = logging.getLogger(__name__)


async def race(
    first: Attempt,
    after: float,
    second: Callable[[], Attempt | None],
    attempt: Try,
    lost: Callable[[Attempt], None],
    ending: "set[asyncio.Task[None]]",
) -> tuple[Attempt, EventStream]:
    """Who won, and its stream. `second` is asked for after `after` seconds of silence, and may decline. `lost` is
    told of one that had answered too, a moment too late. `ending` holds what is still being ended.

    Raises the error of the last one when all failed, and at once one that another target would not mend.
    """
    running: Running = {_started(attempt, first): first}
    try:
        done, _ = await asyncio.wait(running, timeout=after)
        if not done and (other := second()) is not None:
            running[_started(attempt, other)] = other
        return await _first_of(running)
    finally:
        if running:
            for task in running:
                task.cancel()
            closing = asyncio.get_running_loop().create_task(_end(running, lost))
            ending.add(closing)
            closing.add_done_callback(ending.discard)


def _started(attempt: Try, subject: Attempt) -> "asyncio.Task[EventStream]":
    async def run() -> EventStream:
        return await attempt(subject)

    return asyncio.get_running_loop().create_task(run())


async def _first_of(running: Running) -> tuple[Attempt, EventStream]:
    """Takes the winner, and those that failed, out of `running`."""
    while True:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return running.pop(task), task.result()
        errors = [task.exception() for task in done if running.pop(task)]
        error = errors[-1] or AssertionError()
        if not running or (isinstance(error, PlatformError) and not error.retryable):
            raise error


async def _end(running: Running, lost: Callable[[Attempt], None]) -> None:
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    for subject, outcome in zip(running.values(), outcomes, strict=True):
        if not isinstance(outcome, BaseException):
            lost(subject)
            try:
                await outcome.aclose()
            except Exception:
                logger.exception("call %s: defect in closing a stream", subject.call.id)
