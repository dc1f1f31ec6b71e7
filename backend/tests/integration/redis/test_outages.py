"""A Redis that freezes, dies, is slow or was never there: nobody waits long for it, and it is found again."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from app.core.integration_framework import IntegrationConfig
from app.domain.errors import UpstreamError
from app.domain.ports import Cache
from app.integrations.storage.redis.integration import RedisIntegration
from tests.rest.gateway import eventually
from tests.servers.redis_outage import BACK_WITHIN, GONE_WITHIN, Outage, go_away, lanes, managed, outages
from tests.servers.redis_server import RedisServer, running_redis

TIMEOUT = 0.1


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as started:
        yield started


class Asker:
    """Asks all the time, several at once. `waited`: questions that took as long as they may."""

    def __init__(self, redis: RedisIntegration) -> None:
        self._redis = redis
        self.waited = 0
        self.answered = self.refused = 0

    async def run(self, lane: int) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._redis.get_cached("k")
            except UpstreamError:
                self.refused += 1
            else:
                self.answered += 1
            self.waited += time.monotonic() - began >= TIMEOUT
            await asyncio.sleep(0.001)


@asynccontextmanager
async def asked(server: RedisServer) -> AsyncIterator[tuple[RedisIntegration, Asker]]:
    config = IntegrationConfig(name="redis", settings={"url": server.url, "timeout": TIMEOUT})
    redis = RedisIntegration(config)
    await redis.initialize()
    asker = Asker(redis)
    try:
        async with lanes(asker.run):
            yield redis, asker
    finally:
        await redis.shutdown()


@outages
async def test_it_is_given_up_within_a_second_and_found_again(
    server: RedisServer, caplog: pytest.LogCaptureFixture, outage: Outage
) -> None:
    caplog.set_level(logging.INFO, "app.integrations.storage.redis")
    async with asked(server) as (redis, asker):
        await eventually(lambda: asker.answered > 10, 5.0)
        await go_away(server, outage, caplog, lambda: asker.refused)
        asker.waited, before = 0, asker.refused
        await eventually(lambda: asker.refused > before + 100, 2.0)
        with pytest.raises(UpstreamError, match="does not answer now"):
            await redis.health_check()
        assert asker.waited <= 1  # nobody waits any more; a busy machine may hold one up

        await outage.come(server)
        before = asker.answered
        await eventually(lambda: asker.answered > before, BACK_WITHIN)
        await redis.health_check()
        gone, back = caplog.messages  # one line a change
        assert (gone.startswith(f"'redis' {outage.said}"), back.startswith("'redis' is back after")) == (
            True,
            True,
        )


async def test_one_question_a_second_is_enough_to_find_out(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    redis = RedisIntegration(IntegrationConfig(name="redis", settings={"url": server.url, "timeout": TIMEOUT}))
    await redis.initialize()
    server.freeze()
    with pytest.raises(UpstreamError, match=r"within 0\.1 s"):
        await redis.get_cached("k")
    await eventually(lambda: any("goes on without it" in line for line in caplog.messages), GONE_WITHIN)
    server.thaw()
    await redis.shutdown()


async def test_a_platform_starts_without_it_and_has_it_soon_after_it_is_there(server: RedisServer) -> None:
    await server.kill()
    manager = managed(server)
    await manager.start()
    try:
        assert manager.providing(Cache) == []
        status = manager.status_of("redis")
        assert (str(status.state), status.type) == ("retrying", "storage")
        assert "can't be reached" in status.reason
        await server.start()
        await eventually(lambda: manager.providing(Cache), BACK_WITHIN)
        await manager.providing(Cache)[0].put_cached("k", b"x", 60.0)
    finally:
        await manager.stop()
