"""A request on its way through the router: the call, its targets, its attempts, and what a stage is."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from app.domain.events import EventStream
from app.domain.exchange import Encoded
from app.domain.models import ModelInfo
from app.domain.ports import ModelSource
from app.domain.principal import ANONYMOUS, Principal

Operation = Literal["chat", "text_completion", "embeddings"]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one integration. A lower `priority` is tried first; equals share by `weight`."""

    source: ModelSource
    model: str
    priority: int = 1
    weight: float = 1.0
    serving: bool = True
    known: ModelInfo | None = None

    @property
    def integration(self) -> str:
        return self.source.name


class Call(msgspec.Struct, kw_only=True, eq=False):
    """One request. Front-ends make it; stages read it and note on it what they did.

    `decode` gives the domain request on first need; `encoded` holds the bytes it came in, if it came in bytes.
    `started` is in seconds of time.perf_counter(). `deadline`: when the caller stops waiting, in seconds of the
    event loop's clock; None when it did not say.
    """

    id: str
    operation: Operation
    model: str
    decode: Callable[[], Any]
    encoded: Encoded | None = None
    stream: bool = False
    principal: Principal = ANONYMOUS
    front_end: str = ""
    started: float = msgspec.field(default_factory=time.perf_counter)
    deadline: float | None = None
    attempts: "list[Attempt]" = msgspec.field(default_factory=list)


class Attempt(msgspec.Struct, eq=False):
    """One try of a call at one target. `failure` is what ended it before its first event."""

    call: Call
    target: Target
    failure: Exception | None = None
    seconds: float = 0.0


T = TypeVar("T")


class Stage(Protocol[T]):
    """A step around the rest of the way. It may refuse, act before, or wrap the stream that comes back.

    A stage that has nothing to see in the stream returns it unwrapped. One that wraps it passes `aclose` on,
    also when nobody has asked the wrapper for an event yet.
    """

    async def __call__(self, subject: T, proceed: "Callable[[T], Awaitable[EventStream]]", /) -> EventStream: ...


def compose(
    stages: Sequence[Stage[T]], last: Callable[[T], Awaitable[EventStream]]
) -> Callable[[T], Awaitable[EventStream]]:
    """The stages as one function, the first outermost."""
    for stage in reversed(stages):
        last = partial(_run, stage, last)
    return last


def _run(stage: Stage[T], proceed: Callable[[T], Awaitable[EventStream]], subject: T) -> Awaitable[EventStream]:
    return stage(subject, proceed)
