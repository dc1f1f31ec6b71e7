"""Walking a plan over scripted providers: what is retried, hedged, queued, and what is left behind: nothing."""

import asyncio
import time
from contextlib import aclosing

import pytest

from app.domain.errors import PlatformError, RateLimited, UpstreamAuthFailed, UpstreamUnavailable
from app.domain.events import Finished, Started, StreamEvent, TextDelta, UsageReported
from app.domain.exchange import Exchange
from app.domain.usage import Usage
from app.inference.call import Call
from app.inference.catalog import LiveCatalog
from app.inference.policy import BreakerPolicy, ModelPolicy, RoutingPolicy
from app.inference.router import Router
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.deadline import keep_time
from app.testing.providers import ScriptedProvider, Step
from tests.unit.inference.targets import call_for, live, model

HELLO = [
    Started(id="1", model="model", created=0),
    TextDelta(text="hello"),
    Finished(reason="stop"),
    UsageReported(usage=Usage(input_tokens=3, output_tokens=1)),
]
DOWN = UpstreamUnavailable("down")
NO_BREAKER = BreakerPolicy(failures=0)


class Platform:
    """The router with what it recorded."""

    def __init__(
        self,
        *providers: ScriptedProvider,
        policy: ModelPolicy | None = None,
        routing: RoutingPolicy | None = None,
        **fields: object,
    ) -> None:
        names = [provider.name for provider in providers]
        self.records: list[CallRecord] = []
        self.catalog: LiveCatalog = live(providers, {"m": model(*names, policy=policy, **fields)}, routing)
        account = Account([self.records.append])
        self.router = Router(self.catalog, call_stages=[account], attempt_stages=[keep_time])

    async def ask(self, call: Call | None = None) -> list[StreamEvent]:
        async with aclosing(await self.router.open(call or call_for())) as stream:
            return [event async for event in stream]

    def idle(self) -> bool:
        """Nothing is held any more."""
        targets = self.catalog.current.entry("m").targets
        return not any(each.vitals.in_flight or each.vitals.slots.taken for each in targets)


@pytest.mark.parametrize("seed_failures", [[DOWN], [UpstreamUnavailable("x", retry_after=0.0)]])
async def test_failing_upstreams_are_asked_little_more_than_once_a_request(seed_failures: list[Step]) -> None:
    """R2 without the help of a breaker: 2,000 requests, and none of them succeeds."""
    provider = ScriptedProvider(seed_failures)
    routing = RoutingPolicy(breaker=NO_BREAKER)
    platform = Platform(provider, routing=routing)
    for _ in range(20):
        outcomes = await asyncio.gather(*(platform.ask() for _ in range(100)), return_exceptions=True)
        assert all(isinstance(outcome, UpstreamUnavailable) for outcome in outcomes)
    assert len(provider.exchanges) <= 1.2 * 2000 + 3
    assert max(record.attempts for record in platform.records) <= 3
    assert platform.idle()


async def test_a_dead_upstream_costs_no_request_and_soon_is_left_alone() -> None:
    dead, well = ScriptedProvider([DOWN], name="dead"), ScriptedProvider(HELLO, name="well")
    platform = Platform(dead, well)
    for _ in range(500):
        assert await platform.ask() == HELLO
    assert len(dead.exchanges) <= 5
    assert platform.idle()


async def test_another_key_is_tried_at_once_at_the_same_target() -> None:
    refused = UpstreamAuthFailed("refused", rotated=True)
    provider = ScriptedProvider([refused], [refused], HELLO)
    platform = Platform(provider)
    assert await platform.ask() == HELLO
    assert platform.records[0].attempts == 3
    assert [tried.failure for tried in platform.records[0].tried] == ["failed_precondition"] * 2 + [None]


async def test_the_record_tells_the_whole_way() -> None:
    first, second = ScriptedProvider([DOWN], name="first"), ScriptedProvider(HELLO, name="second")
    platform = Platform(first, second)
    await platform.ask()
    (record,) = platform.records
    assert [each.integration for each in record.considered] == ["first", "second"]
    assert [(each.integration, each.failure, each.message) for each in record.tried] == [
        ("first", "unavailable", "down"),
        ("second", None, None),
    ]


class Slow(ScriptedProvider):
    """Answers once it is let."""

    def __init__(self, name: str) -> None:
        super().__init__(HELLO, name=name)
        self.let = asyncio.Event()
        self.asked = asyncio.Event()
        self.left = 0

    async def chat(self, exchange: Exchange[object]):  # type: ignore[no-untyped-def]
        self.asked.set()
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.left += 1
            raise
        return await super().chat(exchange)


HEDGED = ModelPolicy(hedge_after=0.01)


async def test_a_silent_target_is_overtaken_and_let_go() -> None:
    silent, quick = Slow("silent"), ScriptedProvider(HELLO, name="quick")
    platform = Platform(silent, quick, policy=HEDGED)
    assert await platform.ask() == HELLO
    assert platform.records[0].integration == "quick"
    assert silent.left == 1
    assert platform.idle()


async def test_the_first_one_may_still_win() -> None:
    first, second = Slow("first"), Slow("second")
    platform = Platform(first, second, policy=HEDGED)
    asking = asyncio.create_task(platform.ask())
    await second.asked.wait()
    first.let.set()
    assert await asking == HELLO
    assert (platform.records[0].integration, second.left, platform.idle()) == ("first", 1, True)


async def test_when_the_second_fails_the_first_is_waited_for() -> None:
    first, hold = Slow("first"), asyncio.Event()
    second = ScriptedProvider([hold, DOWN], name="second")
    platform = Platform(first, second, policy=HEDGED)
    asking = asyncio.create_task(platform.ask())
    await first.asked.wait()
    hold.set()
    await asyncio.wait({asking}, timeout=0.05)
    assert (len(second.exchanges), asking.done()) == (1, False)
    first.let.set()
    assert await asking == HELLO
    assert platform.records[0].integration == "first"
    assert platform.idle()


async def test_a_caller_that_leaves_ends_both() -> None:
    first, second = Slow("first"), Slow("second")
    platform = Platform(first, second, policy=HEDGED)
    asking = asyncio.create_task(platform.ask())
    await second.asked.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (first.left, second.left, platform.idle()) == (1, 1, True)
    assert platform.records[0].outcome == "cancelled"


async def test_hedging_adds_two_percent_at_most() -> None:
    silent, quick = Slow("silent"), ScriptedProvider(HELLO, name="quick")
    platform = Platform(silent, quick, policy=ModelPolicy(hedge_after=0.0001))

    async def ask() -> None:
        asking = asyncio.create_task(platform.ask())
        await silent.asked.wait()
        silent.asked.clear()
        await asyncio.wait({asking}, timeout=0.003)
        silent.let.set()
        await asking
        silent.let.clear()

    for _ in range(100):
        await ask()
    assert 1 <= len(quick.exchanges) <= 1 + 0.02 * 100
    assert platform.idle()


async def test_scarce_places_are_waited_for_and_given_back() -> None:
    provider = Slow("local")
    platform = Platform(provider, slots=2)
    told: list[int] = []
    all_told = asyncio.Event()

    def queued(ahead: int) -> None:
        told.append(ahead)
        if len(told) == 3:
            all_told.set()

    asking = [asyncio.create_task(platform.ask(call_for(queued=queued))) for _ in range(5)]
    await all_told.wait()
    assert platform.catalog.current.entry("m").targets[0].vitals.in_flight == 2
    provider.let.set()
    assert await asyncio.gather(*asking) == [HELLO] * 5
    assert told == [0, 1, 2]
    assert sum(record.tried[0].waited > 0 for record in platform.records) == 3
    assert platform.idle()


async def test_what_cannot_be_served_in_time_is_refused_at_once() -> None:
    provider = Slow("local")
    platform = Platform(provider, slots=1, routing=RoutingPolicy(queue_wait=0.5))
    asking = asyncio.create_task(platform.ask())
    await provider.asked.wait()
    began = time.perf_counter()
    with pytest.raises(RateLimited) as refused:  # an answer is taken to last a second
        await platform.ask()
    assert time.perf_counter() - began < 0.4
    assert refused.value.retry_after == 1.0
    assert len(platform.records) == 1
    assert platform.records[0].attempts == 0
    provider.let.set()
    await asking
    assert platform.idle()


async def test_a_full_target_leaves_the_request_to_another() -> None:
    full, free = Slow("full"), ScriptedProvider(HELLO, name="free")
    platform = Platform(full, free, slots=1, routing=RoutingPolicy(queue_wait=0.5))
    asking = asyncio.create_task(platform.ask())
    await full.asked.wait()
    assert await platform.ask() == HELLO
    assert platform.records[0].attempts == 1
    full.let.set()
    await asking


async def test_a_failure_in_the_middle_counts_for_the_breaker() -> None:
    provider = ScriptedProvider([*HELLO[:2], DOWN])
    platform = Platform(provider)
    for _ in range(5):
        with pytest.raises(PlatformError):
            await platform.ask()
    vitals = platform.catalog.current.entry("m").targets[0].vitals
    assert vitals.breaker.state == "open"
    with pytest.raises(UpstreamUnavailable, match="failed too often"):
        await platform.ask()
    assert len(provider.exchanges) == 5


@pytest.mark.parametrize("limits", [{"deadline": 0.0}, {"started": -1e6}])
async def test_a_call_whose_time_is_over_is_not_tried_again(limits: dict[str, float]) -> None:
    """The deadline is in the past of every loop's clock, the start long ago."""
    provider = ScriptedProvider([DOWN])
    platform = Platform(provider)
    with pytest.raises(PlatformError):
        await platform.ask(call_for(**limits))
    assert len(provider.exchanges) <= 1
