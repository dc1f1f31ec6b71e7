"""Calls whose answer is known before anybody is asked: another request with their Idempotency-Key has had it.

It stands after the stages that let a caller in, and before those that cost something.
"""

from collections.abc import Awaitable, Callable, Sequence

from app.domain.errors import PlatformError
from app.domain.events import EventStream, StreamEvent
from app.domain.whole import Whole
from app.inference.call import Call


def answer_known(call: Call, proceed: Callable[[Call], Awaitable[EventStream]]) -> Awaitable[EventStream]:
    """A stage."""
    return proceed(call) if call.known is None else _answered(call.known)


async def _answered(known: Sequence[StreamEvent] | PlatformError) -> EventStream:
    if isinstance(known, PlatformError):
        raise known
    return Whole(known)
