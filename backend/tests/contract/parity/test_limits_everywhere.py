"""One caller, one limit: no front-end, and no other header, is a way round it."""

from contextlib import aclosing

import msgspec
import pytest

from app.domain.limits import Rate, Tier
from tests.contract.parity.gateway import KEY
from tests.contract.parity.matrix import Platform, platform
from tests.contract.parity.outcome import Fault, FrontEnd
from tests.contract.parity.scenarios import ANSWERS, Scenario
from tests.servers.raw_client import post

PLAIN: Scenario = ANSWERS[0]
CHAT = {"model": "model", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
HEADERS = (
    {"authorization": f"Bearer {KEY}"},
    {"x-api-key": KEY},
    {"authorization": f"bearer  {KEY}", "x-api-key": KEY},
    {"x-api-key": KEY, "x-forwarded-for": "10.1.1.1", "x-request-id": "another", "x-user-id": "another"},
)
PATHS = ("/v1/chat/completions", "/v1/messages")


def limit(everything: Platform, requests: int) -> None:
    rates = (Rate(unit="requests", limit=requests),)
    everything.gateway.play(*PLAIN.scripts, tier=Tier(name="small", rates=rates))


async def asked(front_end: FrontEnd) -> tuple[str, float | None] | None:
    """How it was refused; None when it was answered."""
    try:
        async with aclosing(front_end.ask(PLAIN.asking)) as pieces:
            async for _ in pieces:
                pass
    except Fault as fault:
        return fault.word, fault.retry_after
    return None


async def test_what_one_front_end_took_is_gone_for_all() -> None:
    async with platform() as everything:
        limit(everything, len(everything.front_ends))
        for told in (None, ("rate_limited", 61.0)):
            assert {each.name: await asked(each) for each in everything.front_ends} == {
                each.name: told for each in everything.front_ends
            }


@pytest.mark.parametrize("path", PATHS)
async def test_however_the_key_is_sent_it_is_the_same_caller(path: str) -> None:
    async with platform() as everything:
        limit(everything, len(HEADERS))
        body = msgspec.json.encode(CHAT)
        for status in (200, 429):
            for headers in HEADERS:
                told = await post(everything.gateway.port, path, body, headers)
                assert told.status == status, headers
