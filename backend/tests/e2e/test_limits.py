"""Tiers and budgets on a whole platform: a key shares them with all that were issued below it."""

from pathlib import Path

from tests.servers.asking import becomes
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.raw_client import Reply, get, post

CONFIGURATION = """
server: {api_key: sk-master-of-the-test}
data_dir: data
prices: {"*": {input: 100000, output: 100000}}
tiers:
  small:
    rates: [{unit: requests, limit: 5}, {unit: concurrent, limit: 2}]
budgets:
  each: {usd: 1, per: total, each: key}
"""
MASTER = {"authorization": "Bearer sk-master-of-the-test"}


async def chat(platform: PlatformProcess, key: str) -> Reply:
    body = {"model": "demo", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
    return await post(platform.port, "/v1/chat/completions", body, {"authorization": f"Bearer {key}"})


async def new_key(platform: PlatformProcess, headers: dict[str, str], **fields: object) -> str:
    made = await post(platform.port, "/v1/keys", fields, headers)
    assert made.status == 200, made
    key: str = made.json()["key"]
    return key


async def test_what_a_key_below_uses_and_spends_is_its_familys(tmp_path: Path) -> None:
    (tmp_path / "llm-platform.yaml").write_text(CONFIGURATION)
    async with platform_process(tmp_path) as platform:
        top = await new_key(platform, MASTER, tier="small")
        below = await new_key(platform, {"authorization": f"Bearer {top}"})
        other = await new_key(platform, MASTER, tier="small")
        first = await chat(platform, below)
        assert (first.status, first.headers["x-ratelimit-remaining-requests"]) == (200, "4")
        for key in (below, top):
            refused = await chat(platform, key)
            assert (refused.status, refused.json()["error"]["type"]) == (429, "insufficient_quota")
            assert refused.headers["x-should-retry"] == "false"
        assert (await chat(platform, other)).status == 200
        assert platform.log().count("its requests are refused") == 1


AWAY = """
server: {api_key: sk-master-of-the-test}
data_dir: data
integrations:
  redis: {settings: {url: "redis://127.0.0.1:1/0"}}
  database: {settings: {url: "postgresql://nobody@127.0.0.1:1/none"}}
limits: {processes: 2}
tiers:
  small:
    models: [demo]
    rates: [{unit: requests, limit: 6}]
models: {other: custom_models/demo}
default_tier: small
budgets:
  all: {usd: 100}
"""


async def test_without_redis_and_database_limits_hold_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "llm-platform.yaml").write_text(AWAY)
    async with platform_process(tmp_path) as platform:
        told = [await chat(platform, "sk-master-of-the-test") for _ in range(4)]
        assert [each.status for each in told] == [200, 200, 200, 429]
        listed = (await get(platform.port, "/v1/models", MASTER)).json()
        assert [each["id"] for each in listed["data"]] == ["demo"]  # what its tier may not use is not told either

        async def retrying() -> bool:
            status = (await get(platform.port, "/integrations/status", MASTER)).json()
            states = {each["name"]: each["state"] for each in status["integrations"]}
            return bool(states["redis"] == states["database"] == "retrying")

        await becomes(retrying, 10.0)
