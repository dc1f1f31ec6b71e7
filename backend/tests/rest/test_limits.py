"""Limits over HTTP: told on every answer and refusal, in each dialect's headers; settled at the end."""

from typing import Any

import msgspec
import pytest

from app.accounts.limits.admission import Admission
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import BudgetExceeded
from app.domain.exchange import Exchange
from app.domain.limits import Rate, Tier
from app.domain.usage import Usage
from app.inference.call import Call
from app.inference.stages.admit import Admit
from app.testing.providers import ScriptedProvider
from tests.rest.gateway import CHAT, eventually, gateway
from tests.servers.raw_client import post

RATES = (Rate(unit="requests", limit=2), Rate(unit="tokens", limit=5000))
SMALL = Tier(name="small", rates=RATES, models=("model", "other-*"), priority=3)
MESSAGE = {**CHAT, "max_tokens": 200}


def admission(tier: Tier = SMALL) -> Admission:
    return Admission(Tiers([tier], tier.name), SharedLimits(MemoryLimits(clock=lambda: 0.0)))


def admit(tier: Tier = SMALL) -> Admit:
    return Admit(admission(tier), lambda: 1000)


class Counting(ScriptedProvider):
    """Has a tokenizer."""

    asked = 0

    async def count_tokens(self, exchange: Exchange[Any]) -> int:
        self.asked += 1
        return 7


OPENAI = ("x-ratelimit-{1}-{0}", "x-ratelimit-reset-requests", "1m1s")
ANTHROPIC = ("anthropic-ratelimit-{0}-{1}", "anthropic-ratelimit-requests-reset", None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "kind", "names"),
    [
        ("/v1/chat/completions", "rate_limit_exceeded", OPENAI),
        ("/v1/messages", "rate_limit_error", ANTHROPIC),
    ],
)
async def test_answers_and_refusals_tell_what_is_left(
    path: str, kind: str, names: tuple[str, str, str | None], stream: bool
) -> None:
    name, reset, written = names
    async with gateway(stages=[admit()]) as platform:
        body = {**MESSAGE, "stream": stream}
        first = await post(platform.port, path, body)
        tokens = int(first.headers[name.format("tokens", "remaining")])
        assert tokens in range(5000 - 200 - 50, 5000 - 200)
        assert first.headers[name.format("requests", "limit")] == "2"
        assert first.headers[name.format("requests", "remaining")] == "1"
        assert first.headers[reset] == (written or first.headers[reset])
        await eventually(lambda: len(platform.records) == 1)
        second = await post(platform.port, path, body)
        # The first one took 5 tokens in the end.
        assert int(second.headers[name.format("tokens", "remaining")]) == tokens - 5
        third = await post(platform.port, path, body)
        assert (third.status, third.json()["error"]["type"]) == (429, kind)
        assert third.headers["retry-after"] == "61"
        assert third.headers[name.format("requests", "remaining")] == "0"
        assert int(third.headers[name.format("tokens", "remaining")]) == 5000 - 10
    charged = ("small: requests in a minute", "small: tokens in a minute")
    assert [record.charged for record in platform.records] == [charged, charged, ()]
    assert {record.tier for record in platform.records} == {"small"}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/messages/count_tokens", CHAT), ("/v1/responses/input_tokens", {"model": "model", "input": "hi"})],
)
async def test_who_has_tokens_counted_by_a_provider_takes_requests_of_his_limits(
    path: str, body: dict[str, Any]
) -> None:
    rates = (*RATES, Rate(unit="concurrent", limit=1))
    provider = Counting()
    async with gateway(provider, admission=admission(msgspec.structs.replace(SMALL, rates=rates))) as platform:
        told = [await post(platform.port, path, body) for _ in range(3)]
        assert [each.status for each in told] == [200, 200, 429]
        assert [each.json()["input_tokens"] for each in told[:2]] == [7, 7]
        assert (await post(platform.port, path, {**body, "model": "secret"})).status == 403
    assert provider.asked == 2


async def test_without_a_tier_nothing_is_told() -> None:
    unlimited = Admit(Admission(Tiers([SMALL]), SharedLimits(MemoryLimits())), lambda: 1000)
    async with gateway(stages=[unlimited]) as platform:
        told = await post(platform.port, "/v1/chat/completions", CHAT)
        assert told.status == 200
        assert not [name for name in told.headers if "ratelimit" in name]


async def test_embeddings_count_too() -> None:
    answer = EmbeddingResult(model="model", vectors=((1.0,),), usage=Usage(input_tokens=40))
    async with gateway(ScriptedProvider((answer,)), stages=[admit()]) as platform:
        left = []
        for _ in range(2):
            told = await post(platform.port, "/v1/embeddings", {"model": "model", "input": "hi"})
            left.append(int(told.headers["x-ratelimit-remaining-tokens"]))
        assert left[0] - left[1] == 40
        assert (await post(platform.port, "/v1/embeddings", {"model": "model", "input": "hi"})).status == 429


async def test_a_tier_may_name_its_models() -> None:
    async with gateway(stages=[admit()]) as platform:
        told = await post(platform.port, "/v1/chat/completions", {**CHAT, "model": "scripted/model"})
        assert (told.status, told.json()["error"]["code"]) == (403, "model_not_allowed")
        assert (await post(platform.port, "/v1/chat/completions", CHAT)).status == 200


async def test_the_tiers_priority_is_the_callers_rank() -> None:
    seen: list[Call] = []

    async def look(call, proceed):  # type: ignore[no-untyped-def]
        seen.append(call)
        return await proceed(call)

    async with gateway(stages=[admit(), look]) as platform:
        await post(platform.port, "/v1/chat/completions", CHAT)
    assert [(call.principal.rank, call.principal.tier) for call in seen] == [(3, "small")]


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [("/v1/chat/completions", 429, "insufficient_quota"), ("/v1/messages", 400, "billing_error")],
)
async def test_clients_are_told_not_to_try_again_when_the_money_is_spent(
    path: str, status: int, kind: str
) -> None:
    async def spent(call, proceed):  # type: ignore[no-untyped-def]
        raise BudgetExceeded("The budget of this key is spent.")

    async with gateway(stages=[spent]) as platform:
        told = await post(platform.port, path, MESSAGE)
    assert (told.status, told.json()["error"]["type"]) == (status, kind)
    assert told.headers["x-should-retry"] == "false"
    assert "retry-after" not in told.headers


async def test_a_call_that_fails_gives_its_tokens_back_and_its_place() -> None:
    place = msgspec.structs.replace(SMALL, rates=(Rate(unit="concurrent", limit=1), RATES[1]))
    async with gateway(ScriptedProvider((ZeroDivisionError("x"),)), stages=[admit(place)]) as platform:
        for _ in range(3):
            assert (await post(platform.port, "/v1/chat/completions", CHAT)).status == 502
