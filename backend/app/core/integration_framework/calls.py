"""Calls into plugins: every one has a limit, and none can take the platform with it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.core.clock import Clock, finished_within
from app.core.integration_framework.errors import CallCancelled, CallTimedOut

T = TypeVar("T")

CANCELLATION_GRACE = 1.0
"""Seconds that a cancelled call gets for its `finally` blocks before it is left alone."""

_log = logging.getLogger(__name__)


class PluginCalls:
    """A call runs in a task of its own. One that ignores cancellation is abandoned: logged, never waited for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # The event loop itself holds tasks only weakly.
        self._abandoned: set[asyncio.Task[object]] = set()

    async def run(self, what: str, call: Callable[[], Awaitable[T]], seconds: float) -> T:
        """The call's result, or its exception. `what` names it in messages.

        Raises CallTimedOut, and CallCancelled when the call cancelled itself or tried to exit the program.
        """
        task = asyncio.create_task(_contained(what, call), name=what)
        try:
            finished = await finished_within(self._clock, task, seconds)
        except asyncio.CancelledError:
            await self._drop(task, what)
            raise
        if not finished:
            await self._drop(task, what)
            raise CallTimedOut(f"{what} did not finish within {seconds:g} s")
        if task.cancelled():
            raise CallCancelled(f"{what} cancelled itself")
        return task.result()

    async def _drop(self, task: asyncio.Task[T], what: str) -> None:
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._ended)
        if not await finished_within(self._clock, task, CANCELLATION_GRACE):
            _log.warning("%s ignores its cancellation and is left alone", what)

    def _ended(self, task: "asyncio.Task[object]") -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.debug("%s failed after it was given up", task.get_name(), exc_info=error)


async def _contained(what: str, call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except (Exception, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:
        # SystemExit, let through, would end the event loop and every integration with it.
        raise CallCancelled(f"{what} tried to exit the program") from error
