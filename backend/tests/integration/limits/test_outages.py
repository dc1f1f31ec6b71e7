"""R4: Redis frozen, killed, or never there. No request fails, limits fall to a share and come back."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.core.integration_framework import StateChanged
from app.domain.errors import RateLimited
from app.domain.limits import Estimate, Rate
from app.domain.ports import ScriptRunner
from app.integrations.storage.redis.integration import RedisIntegration
from tests.integration.limits.fleet import member, tried
from tests.rest.gateway import eventually
from tests.servers.redis_outage import BACK_WITHIN, Outage, go_away, lanes, managed, outages
from tests.servers.redis_server import RedisServer, running_redis

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
    """The integration, and limits that follow its state as in a platform."""
    manager = managed(server)
    limits = SharedLimits(MemoryLimits(SHARE))

    def follow(_: object = None) -> None:
        limits.runner = next(iter(manager.providing(ScriptRunner)), None)

    manager.events.subscribe(StateChanged, follow)
    await manager.start()
    caller = Caller(limits)
    try:
        async with lanes(caller.run):
            yield limits, caller
    finally:
        await limits.close()
        await manager.stop()


async def counted(server: RedisServer, holder: str) -> int:
    """What the others see of a caller's use."""
    async with member(server.url, prefix=PREFIX) as other:
        told = await other.reserve(holder, RATES, Estimate(0, 0))
        told.settle(None)
        return LIMIT - told.standings[0].remaining - 1


@outages
async def test_no_request_fails_and_limits_fall_to_a_share(
    server: RedisServer, caplog: pytest.LogCaptureFixture, outage: Outage
) -> None:
    caplog.set_level(logging.INFO, "app.integrations.storage.redis")
    async with platform(server) as (limits, caller):
        await eventually(lambda: caller.let_in > 20, 5.0)
        await go_away(server, outage, caplog, lambda: caller.let_in)
        caller.waited = 0

        caller.holder = "one"  # the share holds, for a caller of whom nothing is known yet
        await eventually(lambda: caller.refused > 10, 10.0)
        asked = [await tried(limits, RATES[:1], holder="two") for _ in range(LIMIT)]
        assert sum(isinstance(each, RateLimited) for each in asked) == LIMIT * (1 - SHARE)
        assert caller.waited <= 1  # nobody waits any more; a busy machine may hold one up

        await outage.come(server)
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
