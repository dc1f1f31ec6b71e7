"""A request on its way through the router: the call, its targets, its attempts, and what a stage is."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Protocol, Self, TypeVar

import msgspec

from app.domain.errors import PlatformError
from app.domain.events import EventStream, StreamEvent
from app.domain.exchange import Encoded
from app.domain.limits import Standing
from app.domain.models import ModelInfo
from app.domain.ports import ModelSource
from app.domain.prices import Price
from app.domain.principal import ANONYMOUS, Principal
from app.domain.tracing import Trace
from app.domain.usage import Usage
from app.inference.policy import ModelPolicy
from app.inference.vitals import Vitals

AtEnd = Callable[[BaseException | None, Usage | None], None]
Operation = Literal["chat", "text_completion", "embeddings", "rerank"]
CacheControl = Literal["no-cache", "no-store"]
CacheStatus = Literal["hit", "miss", "coalesced", "replayed"]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one integration. A lower `priority` is tried first; equals share by `weight`.

    `vitals` is how it is now. `rpm`, `tpm`: requests and tokens that it may be sent in a minute. `context_window`
    in tokens, None where nobody tells. `own`: it runs on a machine of one's own, where nobody bills by the token.
    """

    source: ModelSource
    model: str
    vitals: Vitals
    priority: int = 1
    weight: float = 1.0
    serving: bool = True
    known: ModelInfo | None = None
    price: Price | None = None
    own: bool = False
    rpm: int | None = None
    tpm: int | None = None
    context_window: int | None = None

    @property
    def integration(self) -> str:
        return self.source.name


class Considered(msgspec.Struct, frozen=True, gc=False):
    """A target that a request might have gone to: its `score` (lower is better), or why it was `excluded`. `note`:
    what set it back.

    `name` is the model as callers know it: the one they asked for, or one of its fallbacks.
    """

    name: str
    integration: str
    model: str
    score: float | None = None
    excluded: str | None = None
    note: str | None = None
    priority: int = 1


class PromptSize(msgspec.Struct, frozen=True):
    """How long a prompt is, in tokens: `about`; surely `fewest`; exactly, for the models that `counted` it."""

    about: int
    fewest: int
    counted: Mapping[str, int] = {}

    def least(self, model: str) -> int:
        """What it has by any count."""
        return self.counted.get(model, self.fewest)

    def told(self, model: str) -> str:
        return str(self.counted[model]) if model in self.counted else f"about {self.about}"


class Call(msgspec.Struct, kw_only=True, eq=False):
    """One request. Front-ends make it; stages read it and note on it what they did.

    `decode` gives the domain request; `request` keeps it. `encoded` holds the bytes it came in, if it came in
    bytes. `route`: what was called, as the front-end names it. `session` is the caller's own word for what belongs
    together, `hops` how many platforms the request has passed already, `trace` the one that it is part of.
    `started` is in seconds of time.perf_counter(). `deadline`: when the caller stops waiting, in seconds of the
    event loop's clock; None when it did not say. `queued` is told how many are ahead when the call has to wait for
    a place. `cache_control`: the caller wants no kept answer ("no-cache"), nor its own to be kept ("no-store").

    Whoever makes one lets it go in the end: `with call:`, or let_go().

    `at_end` is called once when the call is over, with what ended it (None for a whole answer) and the usage.
    `prompt`: its length, where it might not fit. `meant`: what the model's name was found to be, with the `policy`
    that it has. `charged`: the limits that it counted against, `standings`: what is left of them. `cache_status`
    where the model has a cache: "hit", a kept answer; "coalesced", another call's on its way; "miss", its own;
    "replayed", that of an earlier request with its Idempotency-Key. `known`: what it is to be told, where that is
    known before anybody is asked. `stopped`: why it was not tried once more, where it failed.
    """

    id: str
    operation: Operation
    model: str
    decode: Callable[[], Any]
    encoded: Encoded | None = None
    stream: bool = False
    principal: Principal = ANONYMOUS
    front_end: str = ""
    route: str = ""
    session: str | None = None
    hops: int = 0
    trace: Trace | None = None
    started: float = msgspec.field(default_factory=time.perf_counter)
    deadline: float | None = None
    queued: Callable[[int], None] | None = None
    cache_control: CacheControl | None = None
    attempts: "list[Attempt]" = msgspec.field(default_factory=list)
    considered: list[Considered] = msgspec.field(default_factory=list)
    at_end: list[AtEnd] = msgspec.field(default_factory=list)
    prompt: PromptSize | None = None
    meant: str | None = None
    policy: ModelPolicy | None = None
    cache_status: CacheStatus | None = None
    known: Sequence[StreamEvent] | PlatformError | None = None
    stopped: str | None = None
    charged: tuple[str, ...] = ()
    standings: Sequence[Standing] = ()
    _request: Any = None

    @property
    def request(self) -> Any:
        """The domain request, decoded once. Raises InvalidRequest."""
        if self._request is None:
            self._request = self.decode()
        return self._request

    def replace(self, request: Any) -> None:
        """Ask for `request` in the place of what the caller asked for. The bytes that it came in count no more."""
        self._request, self.encoded = request, None

    @property
    def choices(self) -> int:
        """How many endings a stream of events has, by what was asked for; a target that can't be asked for several
        has one.
        """
        sampling = getattr(self._request, "sampling", None)
        if sampling is None or (self.attempts and "n" in self.attempts[-1].dropped):
            return 1
        prompts = getattr(self._request, "prompts", ())
        return int(sampling.n) * (len(prompts) or 1)

    @property
    def answered_by(self) -> str:
        """The integration that was asked last."""
        return self.attempts[-1].target.integration if self.attempts else "cache"

    @property
    def cached(self) -> Literal["hit", "coalesced", "replayed"] | None:
        """Set when no provider was asked for it."""
        return None if self.cache_status == "miss" else self.cache_status

    @property
    def waited(self) -> float:
        """Seconds in line for a place, all attempts together."""
        return sum(attempt.waited for attempt in self.attempts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whoever made it needs it no more."""
        self.let_go()

    def let_go(self) -> None:
        """Its attempts know it, too, and of such circles the garbage collector would have to find thousands a
        second.
        """
        self.attempts.clear()
        self.queued = None

    def overhead(self, spent: float) -> float | None:
        """Of `spent` seconds, what the platform itself took: all but the attempts and the waits for a place. None
        where it waited for another call's answer.
        """
        if self.cached == "coalesced":
            return None
        return spent - self.waited - sum(attempt.seconds for attempt in self.attempts)

    def cost(self, usage: Usage | None) -> float | None:
        """US dollars; None where no provider was asked, or no price is known. Time is paid for in vain, too."""
        if not self.attempts or self.cached is not None:
            return None
        price = self.attempts[-1].target.price
        tokens = None if price is None or usage is None else price.cost(usage)
        time = sum([attempt.time_cost for attempt in self.attempts])
        return time + (tokens or 0.0) if time else tokens


class Attempt(msgspec.Struct, eq=False):
    """One try of a call at one target, under the policy of the `name` that led to it. `began` is in seconds of
    time.perf_counter(), and so is `ended`, 0 until then; `since` is the beginning by
    the event loop's clock. `failure` is what ended it before its first event; `seconds`: until then, or to the
    first event; `waited`: how long it stood in line before, or for a target to be well again. `hedge`: it was sent
    beside another that was silent; `lost`: the other one of the two answered first. `span`: its own in the call's
    trace, where the call is recorded.
    """

    call: Call
    target: Target
    name: str = ""
    policy: ModelPolicy = ModelPolicy()
    failure: Exception | None = None
    began: float = 0.0
    since: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0
    probe: bool = False
    hedge: bool = False
    lost: bool = False
    dropped: list[str] = msgspec.field(default_factory=list)
    ended: float = 0.0
    span: str = ""

    @property
    def time_cost(self) -> float:
        """US dollars, until now or its end."""
        price = self.target.price
        if price is None or not price.per_hour:
            return 0.0
        return price.per_hour * ((self.ended or time.perf_counter()) - self.began) / 3600


T = TypeVar("T")


class Stage(Protocol[T]):
    """A step around the rest of the way. It may refuse, act before, or wrap the stream that comes back.

    A stage that has nothing to see in the stream returns it unwrapped. One that wraps it passes `aclose` on,
    also when nobody has asked the wrapper for an event yet.
    """

    def __call__(
        self, subject: T, proceed: "Callable[[T], Awaitable[EventStream]]", /
    ) -> Awaitable[EventStream]: ...


def compose(
    stages: Sequence[Stage[T]], last: Callable[[T], Awaitable[EventStream]]
) -> Callable[[T], Awaitable[EventStream]]:
    """The stages as one function, the first outermost."""
    for stage in reversed(stages):
        last = partial(_run, stage, last)
    return last


def _run(stage: Stage[T], proceed: Callable[[T], Awaitable[EventStream]], subject: T) -> Awaitable[EventStream]:
    return stage(subject, proceed)
