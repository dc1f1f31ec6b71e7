"""Stages that integrations bring along, for whatever the platform has none for: it may look at prompts, say."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

from app.domain.events import EventStream
from app.inference.call import Call, Stage, compose

Proceed = Callable[[Call], Awaitable[EventStream]]


@runtime_checkable
class CallStage(Protocol):
    """An integration that stands in the way of every call, whichever front-end it came by."""

    async def on_call(self, call: Call, proceed: Proceed) -> EventStream:
        """As any `Stage`: refuse it (raise from app.domain.errors), change it (`call.replace`), answer it, or go
        on with `proceed(call)` and, where the answer matters, wrap that stream. A defect in here ends the call.
        """
        ...


class PluggedStages:
    """A stage of those in `stages`, the first outermost."""

    def __init__(self) -> None:
        self.stages: Sequence[Stage[Call]] = ()

    def __call__(self, call: Call, proceed: Proceed) -> Awaitable[EventStream]:
        return compose(self.stages, proceed)(call) if self.stages else proceed(call)
