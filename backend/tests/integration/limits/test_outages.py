"""R4: Redis frozen, killed, or never there. No request fails, limits fall to a share and come back."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.core.integration_framework import IntegrationManager, Registry, StateChanged
from app.domain.errors import RateLimited
from app.domain.limits import Estimate, Rate
from app.domain.ports import ScriptRunner
from app.enabled import integration_configs
from app.integrations.storage.redis.integration import RedisIntegration
from app.settings import Settings
from tests.integration.limits.fleet import member, tried
from tests.rest.gateway import eventually
from tests.servers.redis_server import RedisServer, running_redis

LANES = 4
GONE_WITHIN, BACK_WITHIN = 1.0, 5.0
"""Promises of the platform."""

LIMIT, SHARE = 1000, 0.25
RATES = [Rate(unit="requests", limit=LIMIT, window=3600.0), Rate(unit="concurrent", limit=500)]
PREFIX = "llm-platform:"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as started:
        yield started


class Caller:
    """Asks all the time, several at once, each time as somebody new or, with `holder`, as one caller."""

    def __init__(self, limits: SharedLimits) -> None:
        self._limits = limits
        self.holder: str | None = None
        self.let_in = self.refused = 0
        self.waited = 0
        self.failures: list[Exception] = []

    async def run(self, lane: int) -> None:
        while True:
            began = time.monotonic()
            try:
                reservation = await self._limits.reserve(self.holder or f"{lane}-{began}", RATES, Estimate(1, 1))
            except RateLimited:
                self.refused += 1
            except Exception as error:
                self.failures.append(error)
            else:
                self.let_in += 1
                reservation.settle(None)
            self.waited += time.monotonic() - began >= 0.1
            await asyncio.sleep(0.001)


@asynccontextmanager
async def platform(server: RedisServer) -> AsyncIterator[tuple[SharedLimits, Caller]]:
    """The integration as it is configured by REDIS_URL, and limits that follow its state as in a platform."""
    settings = Settings.model_validate({"integrations": {"redis": {"settings": {"url": server.url}}}})
    configs = [config for config in integration_configs(settings) if config.name == "redis"]
    manager = IntegrationManager(Registry({"redis": RedisIntegration}), configs)
    limits = SharedLimits(MemoryLimits(SHARE))

    def follow(_: object = None) -> None:
        limits.runner = next(iter(manager.providing(ScriptRunner)), None)

    manager.events.subscribe(StateChanged, follow)
    await manager.start()
    caller = Caller(limits)
    lanes = [asyncio.create_task(caller.run(lane)) for lane in range(LANES)]
    try:
        yield limits, caller
    finally:
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        await limits.close()
        await manager.stop()


async def counted(server: RedisServer, holder: str) -> int:
    """What the others see of a caller's use."""
    async with member(server.url, prefix=PREFIX) as other:
        told = await other.reserve(holder, RATES, Estimate(0, 0))
        told.settle(None)
        return LIMIT - told.standings[0].remaining - 1


async def freeze(server: RedisServer) -> None:
    server.freeze()


async def thaw(server: RedisServer) -> None:
    server.thaw()


Act = Callable[[RedisServer], Awaitable[None]]


@pytest.mark.parametrize(
    ("go", "come"), [(freeze, thaw), (RedisServer.kill, RedisServer.start)], ids=["frozen", "killed"]
)
async def test_no_request_fails_and_limits_fall_to_a_share(
    server: RedisServer, caplog: pytest.LogCaptureFixture, go: Act, come: Act
) -> None:
    caplog.set_level(logging.INFO, "app.integrations.storage.redis")
    async with platform(server) as (limits, caller):
        await eventually(lambda: caller.let_in > 20, 5.0)
        await go(server)
        await eventually(lambda: any("goes on without it" in line for line in caplog.messages), GONE_WITHIN)
        before = caller.let_in
        await eventually(lambda: caller.let_in > before + 2 * LANES, 2.0)  # those that waited are through
        caller.waited = 0

        caller.holder = "one"  # the share holds, for a caller of whom nothing is known yet
        await eventually(lambda: caller.refused > 10, 10.0)
        asked = [await tried(limits, RATES[:1], holder="two") for _ in range(LIMIT)]
        assert sum(isinstance(each, RateLimited) for each in asked) == LIMIT * (1 - SHARE)
        assert caller.waited <= 1  # nobody waits any more; a busy machine may hold one up

        await come(server)
        caller.holder = "three"
        await eventually(lambda: any("is back after" in line for line in caplog.messages), BACK_WITHIN)
        at_least = caller.let_in + 50
        await eventually(lambda: caller.let_in > at_least, BACK_WITHIN)
        assert await counted(server, "three") > 20
        assert caller.failures == []
        assert len(caplog.messages) == 2, caplog.messages  # one line a change


async def test_what_was_let_in_before_is_not_forgotten(server: RedisServer) -> None:
    async with platform(server) as (limits, caller):
        await eventually(lambda: caller.let_in > 20, 5.0)
        for _ in range(int(LIMIT * SHARE)):
            await limits.reserve("two", RATES[:1], Estimate(1, 1))
        assert await counted(server, "two") == LIMIT * SHARE
        await server.kill()
        await eventually(lambda: caller.refused or not _there(limits), 5.0)
        assert isinstance(await tried(limits, RATES[:1], holder="two"), RateLimited)


async def test_a_platform_that_starts_without_redis_has_its_share_and_soon_all(server: RedisServer) -> None:
    await server.kill()
    async with platform(server) as (limits, caller):
        assert limits.runner is None
        caller.holder = "one"
        await eventually(lambda: caller.refused > 10, 10.0)
        assert caller.let_in == LIMIT * SHARE
        await server.start()
        await eventually(lambda: limits.runner is not None, BACK_WITHIN)
        at_least = caller.let_in + 50
        await eventually(lambda: caller.let_in > at_least, BACK_WITHIN)
        assert caller.failures == []


def _there(limits: SharedLimits) -> bool:
    runner = limits.runner
    return isinstance(runner, RedisIntegration) and runner._watch.there
