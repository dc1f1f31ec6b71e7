"""Upstreams that come and go while thousands ask, on an event loop whose time is made up: no second is waited for.

The way from a call to its answer is the platform's own; only the upstreams and the clock are not.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from random import Random
from typing import Any, NamedTuple, TypeVar

from app.domain.errors import ConnectionFailed, ConnectionRefused, PlatformError, UpstreamError
from app.domain.events import EventStream, Finished, Started, StreamEvent, TextDelta
from app.domain.exchange import Exchange
from app.domain.models import ModelInfo
from app.domain.whole import Whole
from app.inference.call import Call, compose
from app.inference.catalog import LiveCatalog, Source
from app.inference.policy import ModelPolicy
from app.inference.provider import send
from app.inference.routes import ConfiguredModel, Route, Routing
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.attempt import WalkPlan
from app.inference.stages.deadline import keep_time
from tests.unit.inference.targets import call_for

HELLO: list[StreamEvent] = [
    Started(id="1", model="model", created=0),
    TextDelta(text="hello"),
    Finished(reason="stop"),
]


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing: for how long it was asked to wait is how the time goes."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen any more"
        self.now += timeout
        return super().select(0)


class MadeUpTime(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class Upstream:
    """Answers after `latency` seconds; `asked` counts what reached it."""

    accepts_unlisted = False

    def __init__(self, name: str, latency: float) -> None:
        self.name = name
        self.asked = 0
        self._latency = latency
        self._fault: type[UpstreamError] | None = None
        self._answering: set[asyncio.Future[None]] = set()

    def models(self) -> Sequence[ModelInfo]:
        return [ModelInfo(id="model", provider=self.name)]

    def live(self) -> None:
        self._fault = None

    def err(self) -> None:
        """Fail what comes; what is under way is answered."""
        self._fault = UpstreamError

    def die(self) -> None:
        """Refuse connections, and break those there are."""
        self._fault = ConnectionRefused
        for answer in self._answering:
            if not answer.done():
                answer.set_exception(ConnectionFailed("broke", provider=self.name))

    async def chat(self, exchange: Exchange[Any]) -> EventStream:
        self.asked += self._fault is not ConnectionRefused
        if self._fault is not None:
            await asyncio.sleep(0.001)
            raise self._fault("failed", provider=self.name)
        answer = asyncio.get_running_loop().create_future()
        self._answering.add(answer)
        timer = asyncio.get_running_loop().call_later(self._latency, _done, answer)
        try:
            await answer
        finally:
            timer.cancel()
            self._answering.discard(answer)
        return Whole(HELLO)


def _done(answer: "asyncio.Future[None]") -> None:
    if not answer.done():
        answer.set_result(None)


Life = Callable[[Sequence[Upstream]], Awaitable[None]]
T = TypeVar("T")


class Outcome(NamedTuple):
    """`seen`: when each request began that failed, in seconds since the first of all."""

    records: list[CallRecord]
    asked: int
    seen: list[float]


class World:
    """`upstreams` of one model, and those who ask."""

    def __init__(self, upstreams: int = 3, latency: float = 0.02, retries: int = 2) -> None:
        self.upstreams = [Upstream(f"p{number}", latency) for number in range(upstreams)]
        self.records: list[CallRecord] = []
        names = [peer.name for peer in self.upstreams]
        sources = [Source(source=peer, serving=True) for peer in self.upstreams]
        routes = [Route(integration=name, model="model") for name in names]
        model = ConfiguredModel(routes=routes, policy=ModelPolicy(retries=retries))
        catalog = LiveCatalog(lambda: sources, Routing(models={"m": model}))
        catalog.rebuild()
        walk = WalkPlan(catalog, lambda: catalog.routing.policy, compose([keep_time], send), Random(1))
        self._open: Callable[[Call], Awaitable[EventStream]] = compose([Account([self.records.append])], walk)

    async def ask(self) -> bool:
        """Whether it was answered."""
        try:
            async with aclosing(await self._open(call_for())) as stream:
                return [event async for event in stream] == HELLO
        except PlatformError:
            return False

    async def asked(self, life: Life, requests: int, rate: float) -> Outcome:
        """What became of `requests`, `rate` a second, while the upstreams led this life."""
        seen: list[float] = []
        time = asyncio.get_running_loop().time
        start = time()

        async def one() -> None:
            began = time()
            if not await self.ask():
                seen.append(began - start)

        living = asyncio.ensure_future(life(self.upstreams))
        async with asyncio.TaskGroup() as group:
            for _ in range(requests):
                group.create_task(one())
                await asyncio.sleep(1 / rate)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        return Outcome(self.records, sum(peer.asked for peer in self.upstreams), seen)


def in_made_up_time(happening: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=MadeUpTime) as runner:
        return runner.run(happening)
