"""What is told of a request afterwards, and for how long."""

import asyncio
from contextlib import aclosing, suppress
from typing import Any

import msgspec
import pytest

from app.domain.errors import InvalidRequest, PlatformError, UpstreamUnavailable
from app.domain.events import Finished, Started, UsageReported
from app.domain.exchange import Exchange
from app.domain.prices import Price
from app.domain.principal import Principal
from app.domain.usage import Usage
from app.inference.call import Call
from app.inference.catalog import LiveCatalog, Source
from app.inference.explained import Explained
from app.inference.explanation import Explanation
from app.inference.policy import BreakerPolicy, ModelPolicy, RoutingPolicy
from app.inference.router import Router
from app.inference.routes import Routing
from app.inference.stages.account import Account
from app.testing.providers import ScriptedProvider
from tests.unit.inference.targets import call_for, model

HELLO = (
    Started(id="1", model="model", created=0),
    Finished(reason="stop"),
    UsageReported(usage=Usage(input_tokens=30, output_tokens=2, cached_tokens=10)),
)
DOWN = UpstreamUnavailable("'a' is down.")


class Platform:
    def __init__(self, *providers: ScriptedProvider, kept: int = 10, **routing: Any) -> None:
        self.explained = Explained(kept)
        sources = [Source(source=provider, serving=True) for provider in providers]
        self.catalog = LiveCatalog(lambda: sources, Routing(**routing))
        self.catalog.rebuild()
        self.router = Router(self.catalog, call_stages=[Account([self.explained])])

    async def ask(self, call: Call) -> None:
        async with aclosing(await self.router.open(call)) as stream:
            async for _ in stream:
                pass

    async def told(self, call: Call) -> Explanation:
        with suppress(PlatformError):
            await self.ask(call)
        found = self.explained.find(call.id)
        assert found is not None
        return found


async def test_a_request_that_fell_over() -> None:
    a, b = ScriptedProvider([DOWN], name="a"), ScriptedProvider(HELLO, name="b")
    policy = ModelPolicy(strategy="priority", fallbacks=("spare",))
    platform = Platform(a, b, models={"m": model("a", "b", policy=policy)}, price=lambda *_: Price(input=1.0))
    told = await platform.told(call_for(charged=("key: requests a minute",)))
    assert (told.model, told.meant, told.policy) == ("m", "a configured model", policy)
    assert [(each.model, each.target, each.priority, each.score, each.excluded) for each in told.candidates] == [
        ("m", "a/model", 0, 0.0, None),
        ("m", "b/model", 1, 0.0, None),
    ]
    assert [(each.target, each.result, each.error, each.message) for each in told.attempts] == [
        ("a/model", "failed", "unavailable", "'a' is down."),
        ("b/model", "answered", None, None),
    ]
    assert 0 <= told.attempts[0].at_ms <= told.attempts[1].at_ms <= told.duration_ms
    assert (told.outcome, told.error, told.cached, told.charged) == ("ok", None, None, ("key: requests a minute",))
    assert told.tokens is not None
    assert (told.tokens.input, told.tokens.output, told.tokens.cached) == (30, 2, 10)
    assert told.cost == 30e-6
    again = await platform.told(call_for())
    assert [(each.target, each.note) for each in again.candidates] == [
        ("b/model", None),
        ("a/model", "has just failed"),
    ]


async def test_a_request_that_failed() -> None:
    platform = Platform(
        ScriptedProvider([DOWN], name="a"), models={"m": model("a", policy=ModelPolicy(retries=0))}
    )
    told = await platform.told(call_for())
    assert (told.outcome, told.error, told.tokens, told.cost) == ("unavailable", "'a' is down.", None, None)
    assert [(each.target, each.score) for each in told.candidates] == [("a/model", None)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("m", "a configured model"),
        ("short", "an alias of 'm'"),
        ("gpt-9", "a name of the pattern 'gpt-*'"),
        ("a/model", "a model at an integration"),
        ("model", "a model by its own name"),
        ("publishers/x/models/m", "another name of 'm', a configured model"),
        ("nobody", None),
    ],
)
async def test_what_a_name_meant(name: str, meant: str | None) -> None:
    models = {"m": model("a"), "gpt-*": model("a")}
    platform = Platform(ScriptedProvider(HELLO, name="a"), models=models, aliases={"short": "m"})
    assert (await platform.told(call_for(name))).meant == meant


async def test_a_fallback_that_does_not_exist_and_one_that_does() -> None:
    models = {
        "m": model("a", policy=ModelPolicy(retries=0, fallbacks=("nowhere", "spare"))),
        "spare": model("b"),
    }
    a, b = ScriptedProvider([DOWN], name="a"), ScriptedProvider(HELLO, name="b")
    told = await Platform(a, b, models=models).told(call_for())
    assert [(each.model, each.target, each.excluded) for each in told.candidates] == [
        ("nowhere", None, "no such model"),
        ("m", "a/model", None),
        ("spare", "b/model", None),
    ]
    assert [each.model for each in told.attempts] == ["m", "spare"]


class Silent(ScriptedProvider):
    async def chat(self, exchange: Exchange[Any]) -> Any:
        await asyncio.Event().wait()


async def test_a_hedge_that_won() -> None:
    policy = ModelPolicy(strategy="priority", hedge_after=0.005)
    silent, quick = Silent(name="a"), ScriptedProvider(HELLO, name="b")
    platform = Platform(silent, quick, models={"m": model("a", "b", policy=policy)})
    told = await platform.told(call_for())
    assert [(each.target, each.result, each.hedge) for each in told.attempts] == [
        ("a/model", "lost", False),
        ("b/model", "answered", True),
    ]


async def test_a_wait_in_line_and_a_line_that_was_too_long() -> None:
    policy = ModelPolicy(fallbacks=("spare",))
    models = {"m": model("a", policy=policy, slots=1), "spare": model("b")}
    a, b = ScriptedProvider(HELLO, name="a"), ScriptedProvider(HELLO, name="b")
    platform = Platform(a, b, models=models, policy=RoutingPolicy(queue_wait=5.0))
    taken = platform.catalog.current.entry("m").targets[0].vitals.slots
    assert taken.take_free()
    loop = asyncio.get_running_loop()
    told = await platform.told(call_for(id="waits", queued=lambda _: loop.call_soon(taken.give_back, 0.0)))
    assert told.queued_ms > 0
    assert told.attempts[0].queued_ms == told.queued_ms
    assert taken.take_free()
    platform.catalog.rebuild(Routing(models=models, policy=RoutingPolicy(queue_wait=0.0)))
    told = await platform.told(call_for(id="goes on"))
    assert [each.target for each in told.attempts] == ["b/model"]
    assert told.candidates[0].target == "a/model"
    assert told.candidates[0].excluded is not None
    assert told.candidates[0].excluded.startswith("All 1 places for this model are taken")


@pytest.mark.parametrize(
    ("error", "policy", "routing", "call", "stopped"),
    [
        (
            DOWN,
            ModelPolicy(),
            {"retry_budget": 0.1},
            {},
            "The retry budget of 'm', 0.1 of its requests, was used up.",
        ),
        (DOWN, ModelPolicy(), {}, {}, "A request causes 3 upstream requests at most."),
        (DOWN, ModelPolicy(retries=1), {}, {}, "'m' has 'retries: 1' for such a failure."),
        (DOWN, ModelPolicy(), {}, {"deadline": 0.0}, "The caller's deadline would have passed."),
        (
            DOWN,
            ModelPolicy(),
            {},
            {"started": -1e6},
            "The limit of 600 s for the whole request would have passed.",
        ),
        (UpstreamUnavailable("later", retry_after=9.0), ModelPolicy(), {}, {}, "No other target could be asked."),
        (InvalidRequest("bad"), ModelPolicy(), {}, {}, "Another try would not have mended it."),
    ],
)
async def test_why_it_was_not_tried_once_more(
    error: PlatformError, policy: ModelPolicy, routing: dict[str, Any], call: dict[str, Any], stopped: str
) -> None:
    no_breaker = RoutingPolicy(breaker=BreakerPolicy(failures=0), **routing)
    a = ScriptedProvider([error], name="a")
    platform = Platform(a, models={"m": model("a", policy=policy)}, policy=no_breaker)
    budget = platform.catalog.current.entry("m").budget
    while "budget" in stopped and budget.spend():
        pass
    told = await platform.told(call_for(**call))
    assert told.stopped == stopped


async def test_the_last_ones_are_kept_and_of_one_id_the_latest() -> None:
    platform = Platform(ScriptedProvider(HELLO, name="a"), kept=3, models={"m": model("a")})
    for id in ("1", "2", "1", "3", "4"):
        await platform.ask(call_for(id=id, stream=id != "1"))
    known = {id for id in "1234" if platform.explained.find(id)}
    assert known == {"1", "3", "4"}
    platform.explained.keep(1)
    assert [id for id in "1234" if platform.explained.find(id)] == ["4"]
    platform.explained.keep(0)
    await platform.ask(call_for(id="5"))
    assert platform.explained.find("5") is None


async def test_another_principals_request_is_not_found() -> None:
    platform = Platform(ScriptedProvider(HELLO, name="a"), models={"m": model("a")})
    await platform.ask(call_for(id="1", principal=Principal(id="me")))
    assert platform.explained.find("1", "me") is not None
    assert platform.explained.find("1", "you") is None


async def test_neither_prompts_nor_secrets_are_told() -> None:
    """All that an explanation has room for is names and figures."""
    platform = Platform(ScriptedProvider(HELLO, name="a"), models={"m": model("a")})
    told = await platform.told(call_for(decode=lambda: "canary", session="canary"))
    assert b"canary" not in msgspec.json.encode(told)
