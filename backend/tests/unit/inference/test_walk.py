"""Walking a plan over scripted providers: what is retried, hedged, queued, and what is left behind: nothing."""

import asyncio
import time
from contextlib import aclosing

import pytest

from app.domain.chat import ChatRequest, Sampling
from app.domain.errors import (
    DeadlineExceeded,
    InvalidRequest,
    ModelNotFound,
    PlatformError,
    ProviderProtocolError,
    RateLimited,
    UpstreamAuthFailed,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.domain.events import Finished, Started, StreamEvent, TextDelta, UsageReported
from app.domain.exchange import Encoded, Exchange
from app.domain.usage import Usage
from app.inference.call import Call
from app.inference.catalog import LiveCatalog
from app.inference.policy import BreakerPolicy, ModelPolicy, RoutingPolicy, Timeouts
from app.inference.router import Router
from app.inference.routes import ConfiguredModel, Route
from app.inference.stages.account import Account, CallRecord
from app.inference.stages.deadline import keep_time
from app.inference.vitals import Vitals
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


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("fast-*", "fast-8b", "The model 'fast-8b' does not exist: 'up', to which it leads, does not have it."),
        ("llama-*", "llama-8b", "'up' has no model 'llama-8b'."),  # no other word than the caller's
    ],
)
async def test_a_model_that_is_not_there_is_told_of_by_the_name_that_was_asked_for(
    name: str, asked: str, told: str
) -> None:
    missing = ModelNotFound("'up' has no model 'llama-8b'.", provider="up", code="model_not_found")
    up = ScriptedProvider([missing], name="up")
    up.accepts_unlisted = True
    star = ConfiguredModel(routes=[Route(integration="up", model="llama-*")])
    router = Router(live([up], {name: star}))
    with pytest.raises(ModelNotFound) as caught:
        await router.open(call_for(asked))
    assert caught.value.message.startswith(told)
    assert (caught.value.code, caught.value.provider) == ("model_not_found", "up")


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


async def settle() -> None:
    """Until what goes on in the background has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


HEDGED = ModelPolicy(hedge_after=0.01)


async def test_a_silent_target_is_overtaken_and_let_go() -> None:
    silent, quick = Slow("silent"), ScriptedProvider(HELLO, name="quick")
    platform = Platform(silent, quick, policy=HEDGED)
    assert await platform.ask() == HELLO
    assert platform.records[0].integration == "quick"
    await settle()
    assert silent.left == 1
    assert platform.idle()


async def test_the_first_one_may_still_win() -> None:
    first, second = Slow("first"), Slow("second")
    platform = Platform(first, second, policy=HEDGED)
    asking = asyncio.create_task(platform.ask())
    await second.asked.wait()
    first.let.set()
    assert await asking == HELLO
    await settle()
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
    await settle()
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
    await settle()
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
    soon = asyncio.get_running_loop().time() + 0.01  # before it may be probed
    with pytest.raises(UpstreamUnavailable, match="failed too often"):
        await platform.ask(call_for(deadline=soon))
    assert len(provider.exchanges) == 5


@pytest.mark.parametrize("limits", [{"deadline": 0.0}, {"started": -1e6}])
async def test_a_call_whose_time_is_over_is_not_tried_again(limits: dict[str, float]) -> None:
    """The deadline is in the past of every loop's clock, the start long ago."""
    provider = ScriptedProvider([DOWN])
    platform = Platform(provider)
    with pytest.raises(PlatformError):
        await platform.ask(call_for(**limits))
    assert len(provider.exchanges) <= 1


def vitals_of(platform: Platform, place: int = 0) -> Vitals:
    return platform.catalog.current.entry("m").targets[place].vitals


async def test_an_answer_is_not_kept_waiting_by_one_that_is_slow_to_go() -> None:
    class Stubborn(Slow):
        async def chat(self, exchange: Exchange[object]):  # type: ignore[no-untyped-def]
            try:
                return await super().chat(exchange)
            finally:
                await self.gone.wait()

    stubborn, quick = Stubborn("stubborn"), ScriptedProvider(HELLO, name="quick")
    stubborn.gone = asyncio.Event()
    platform = Platform(stubborn, quick, policy=HEDGED)
    async with asyncio.timeout(5):
        assert await platform.ask() == HELLO
    assert vitals_of(platform).in_flight == 1
    stubborn.gone.set()
    await settle()
    assert platform.idle()


async def test_a_definite_refusal_ends_the_race() -> None:
    silent, strict = Slow("silent"), ScriptedProvider([InvalidRequest("bad")], name="strict")
    platform = Platform(silent, strict, policy=HEDGED)
    async with asyncio.timeout(5):
        with pytest.raises(InvalidRequest):
            await platform.ask()
    await settle()
    assert platform.idle()


async def test_time_in_the_line_is_no_fault_of_the_target() -> None:
    provider = Slow("local")
    policy = ModelPolicy(timeouts=Timeouts(total=0.1))
    platform = Platform(provider, policy=policy, slots=1, routing=RoutingPolicy(queue_wait=30.0))
    vitals_of(platform).slots.take_free()
    vitals_of(platform).slots.give_back(0.0)  # answers are quick here, so that one may wait
    asking = [asyncio.create_task(platform.ask()) for _ in range(8)]
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(each, RateLimited | UpstreamTimeout | DeadlineExceeded) for each in outcomes)
    assert vitals_of(platform).breaker.state == "closed"
    assert platform.idle()


async def test_a_caller_that_reads_slowly_is_no_fault_of_the_target() -> None:
    script = [*HELLO[:2], TextDelta(text="more"), *HELLO[2:]]
    platform = Platform(ScriptedProvider(script), policy=ModelPolicy(timeouts=Timeouts(total=0.05)))
    for _ in range(5):
        async with aclosing(await platform.router.open(call_for())) as stream:
            await anext(aiter(stream))
            await asyncio.sleep(0.1)  # the slow caller itself
            with pytest.raises(DeadlineExceeded):
                async for _ in stream:
                    pass
    assert vitals_of(platform).breaker.state == "closed"
    assert platform.idle()


async def test_what_fails_after_the_end_of_a_call_keeps_nothing() -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    platform = Platform(ScriptedProvider(HELLO))
    assert await platform.ask(call_for(at_end=[broken])) == HELLO
    assert platform.idle()
    assert len(platform.records) == 1


async def test_a_place_that_is_free_elsewhere_is_taken_before_one_is_waited_for() -> None:
    busy, idle = Slow("busy"), Slow("idle")
    platform = Platform(busy, idle, slots=1)
    asking = [asyncio.create_task(platform.ask()) for _ in range(2)]
    await asyncio.gather(busy.asked.wait(), idle.asked.wait())
    busy.let.set()
    idle.let.set()
    assert await asyncio.gather(*asking) == [HELLO, HELLO]
    assert all(record.tried[0].waited == 0 for record in platform.records)


async def test_limits_of_a_target_hold_for_those_in_its_line_too() -> None:
    provider = Slow("local")
    platform = Platform(provider, policy=ModelPolicy(retries=0), slots=1, rpm=3)
    asking = [asyncio.create_task(platform.ask()) for _ in range(8)]
    await provider.asked.wait()
    provider.let.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert outcomes.count(HELLO) == 3
    assert len(provider.exchanges) == 3
    assert platform.idle()


async def test_a_whole_answer_that_ends_badly_falls_over() -> None:
    for bad in ([*HELLO[:2], Finished(reason="error")], HELLO[:2]):
        platform = Platform(ScriptedProvider(bad, name="bad"), ScriptedProvider(HELLO, name="good"))
        assert await platform.ask(call_for(stream=False)) == HELLO
        assert platform.records[0].integration == "good"


TWO = ChatRequest(model="m", messages=(), sampling=Sampling(n=2))
BOTH = [HELLO[0], TextDelta(text="a"), Finished(reason="stop"), TextDelta(text="b", choice=1)]
LAST = Finished(reason="stop", choice=1)


@pytest.mark.parametrize("script", [BOTH, BOTH[:3]], ids=["in the middle", "before its beginning"])
async def test_a_stream_that_ends_before_its_last_choice_does_is_cut(script: list[Step]) -> None:
    call = call_for(decode=lambda: TWO)
    assert call.request is TWO  # a provider that makes events has read it
    platform = Platform(ScriptedProvider(script))
    with pytest.raises(ProviderProtocolError, match="stopped in the middle"):
        await platform.ask(call)
    assert platform.records[0].outcome == "data_loss"
    platform = Platform(ScriptedProvider([*script, LAST]))
    assert await platform.ask(call_for(decode=lambda: TWO)) == [*script, LAST]


async def test_a_target_that_gives_one_answer_whatever_is_asked_has_one_end() -> None:
    class Single(ScriptedProvider):
        async def chat(self, exchange: Exchange[object]):  # type: ignore[no-untyped-def]
            exchange.dropped.append("n")
            assert exchange.request is TWO
            return await super().chat(exchange)

    assert await Platform(Single(HELLO)).ask(call_for(decode=lambda: TWO)) == HELLO


async def test_a_whole_answer_in_which_a_choice_has_no_end_falls_over() -> None:
    platform = Platform(ScriptedProvider(BOTH, name="bad"), ScriptedProvider([*BOTH, LAST], name="good"))
    assert await platform.ask(call_for(stream=False)) == [*BOTH, LAST]
    assert platform.records[0].integration == "good"


async def test_one_call_that_fails_again_and_again_is_one_failure() -> None:
    platform = Platform(ScriptedProvider([UpstreamUnavailable("down")]), policy=ModelPolicy(retries=2))
    for _ in range(3):
        with pytest.raises(UpstreamUnavailable):
            await platform.ask()
    assert vitals_of(platform).breaker.state == "closed"


async def test_what_a_caller_had_begun_is_counted_when_it_leaves() -> None:
    provider = Slow("local")
    platform = Platform(provider)
    encoded = Encoded("openai_chat", b"x" * 400, lambda body, *_: body)
    asking = asyncio.create_task(platform.ask(call_for(stream=False, encoded=encoded)))
    await provider.asked.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert platform.records[0].usage == Usage(input_tokens=101, estimated=True)
