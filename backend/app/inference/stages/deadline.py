"""Time limits of an attempt: to the first event, between events, and in all; and the caller's own, if it has one.

One timer a stream, moved lazily: an event costs a clock reading, never a timer of its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from app.domain.errors import (
    DeadlineExceeded,
    PlatformError,
    ProviderProtocolError,
    UpstreamError,
    UpstreamTimeout,
)
from app.domain.events import EventStream, Finished, Started, StreamEvent
from app.domain.whole import Whole
from app.inference.call import Attempt


async def keep_time(attempt: Attempt, proceed: Callable[[Attempt], Awaitable[EventStream]]) -> EventStream:
    """A stage; the limits are those of the model's policy.

    Returns once the first event is there, or all of an answer that does not stream: until then nobody has seen any
    of it, so another target may still take over.

    Raises UpstreamTimeout; DeadlineExceeded for the caller's own, and where the target had not even the time that
    a first event may take: what was spent before it, in line or on others, is no fault of its.
    """
    limits, deadline, now = attempt.policy.timeouts, attempt.call.deadline, asyncio.get_running_loop().time()
    total = limits.total - (time.perf_counter() - attempt.call.started)
    if deadline is not None:
        total = min(total, deadline - now)
    if total <= 0:
        raise _too_late(attempt)
    patience = min(limits.first_token, total) if attempt.call.stream else total
    had_its_time = patience >= 0.9 * min(limits.first_token, limits.total)
    stream: EventStream | None = None
    alarm = _Alarm(patience)
    try:
        stream = await proceed(attempt)
        if not attempt.call.stream:
            return _complete(await _gathered(stream), attempt.target.integration)
        first = await anext(stream)
    except BaseException as error:
        alarm.off()
        if stream is not None:
            await stream.aclose()
        if alarm.caused(error):
            raise _too_late(attempt, f"gave no answer within {patience:g} s." if had_its_time else None) from None
        if isinstance(error, StopAsyncIteration):
            name = attempt.target.integration
            raise ProviderProtocolError(f"'{name}' ended its answer before it began.", provider=name) from None
        raise
    finally:
        alarm.off()
    return _Timed(stream, first, limits.idle, now + total, attempt)


def deadline_passed() -> DeadlineExceeded:
    return DeadlineExceeded("The deadline that the caller set passed before the answer was complete.")


async def _gathered(stream: EventStream) -> Whole:
    """Raises StopAsyncIteration where there is nothing."""
    whole = stream if type(stream) is Whole else Whole([event async for event in stream])
    await stream.aclose()
    if not whole.events:
        raise StopAsyncIteration
    return whole


def _complete(whole: Whole, name: str) -> Whole:
    """Raises what is wrong with the end of an answer that nobody has seen yet."""
    if type(whole.events[0]) is not Started:
        return whole
    ends = {event.choice: event.reason for event in whole.events if type(event) is Finished}
    if "error" in ends.values():
        raise UpstreamError(f"'{name}' failed in the middle of its answer.", provider=name)
    begun = {getattr(event, "choice", None) for event in whole.events} - {None}
    if not begun or begun - ends.keys():
        raise ProviderProtocolError(f"'{name}' stopped in the middle of its answer.", provider=name)
    return whole


class _Alarm:
    """Cancels the task that made it after `seconds`: asyncio.timeout() without its share of a request's cost."""

    __slots__ = ("_before", "_rang", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._task = asyncio.current_task()
        self._before = 0
        self._rang = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def off(self) -> None:
        self._timer.cancel()

    def caused(self, error: BaseException) -> bool:
        """Whether this alarm's cancellation led to `error`, whatever became of it on its way; it is then taken
        back. Not where somebody else has cancelled the task, too.
        """
        if not self._rang or self._task is None:
            return False
        return self._task.uncancel() <= self._before or not isinstance(error, asyncio.CancelledError)

    def _ring(self) -> None:
        if self._task is not None:
            self._rang = True
            self._before = self._task.cancelling()
            self._task.cancel()


def _too_late(attempt: Attempt, fault: str | None = None) -> PlatformError:
    """Whose limit it was; `fault` is what the target did, if it is to blame. Timers may fire a little early."""
    deadline = attempt.call.deadline
    if deadline is not None and asyncio.get_running_loop().time() >= deadline - 0.01:
        return deadline_passed()
    if fault is None:
        return DeadlineExceeded(f"The request took longer than {attempt.policy.timeouts.total:g} s in all.")
    name = attempt.target.integration
    return UpstreamTimeout(f"'{name}' {fault}", provider=name)


class _Timed:
    """The first event, then the rest under the idle and total limits."""

    __slots__ = (
        "_asked",
        "_attempt",
        "_before",
        "_closing",
        "_expired",
        "_first",
        "_idle",
        "_loop",
        "_stream",
        "_task",
        "_timer",
        "_total_at",
    )

    def __init__(
        self, stream: EventStream, first: StreamEvent, idle: float, total_at: float, attempt: Attempt
    ) -> None:
        self._stream = stream
        self._first: StreamEvent | None = first
        self._idle = idle
        self._total_at = total_at
        self._attempt = attempt
        self._loop = asyncio.get_running_loop()
        self._asked = self._loop.time()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        self._expired = False
        self._before = 0
        if attempt.call.stream:
            self._timer = self._loop.call_at(self._due(), self._look)

    def __aiter__(self) -> "_Timed":
        return self

    async def __anext__(self) -> StreamEvent:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._expired:
            raise _too_late(self._attempt)
        self._asked = self._loop.time()
        self._task = asyncio.current_task()
        if self._timer is None:
            self._timer = self._loop.call_at(self._due(), self._look)
        try:
            return await self._stream.__anext__()
        except asyncio.CancelledError:
            if not self._expired or self._task is None or self._task.uncancel() > self._before:
                raise
            idle = self._loop.time() < self._total_at
            raise _too_late(self._attempt, "stopped in the middle of its answer." if idle else None) from None
        finally:
            self._task = None

    async def aclose(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._first = None
        await self._stream.aclose()

    def _due(self) -> float:
        return min(self._asked + self._idle, self._total_at)

    def _look(self) -> None:
        """While the caller reads slowly the upstream is not at fault, so only the total limit counts then; and as
        nobody can be told before the caller reads on, the upstream is let go at once.
        """
        now = self._loop.time()
        if self._task is not None and now >= self._due():
            self._expired = True
            self._before = self._task.cancelling()
            self._task.cancel()
            return
        if now >= self._total_at:
            self._expired = True
            self._closing = self._loop.create_task(self._stream.aclose())
            return
        self._timer = self._loop.call_at(max(self._due(), now + min(self._idle, 1.0)), self._look)
