"""A Redis that goes away and comes back, in each way that it can, while several ask it all the time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from app.core.integration_framework import IntegrationManager, Registry
from app.enabled import integration_configs
from app.integrations.storage.redis.integration import RedisIntegration
from app.settings import Settings
from tests.rest.gateway import eventually
from tests.servers.redis_server import RedisServer

LANES = 4
GONE_WITHIN, BACK_WITHIN = 1.0, 5.0
"""Promises of the platform, in seconds."""


class Outage(NamedTuple):
    """`said`: what the log gives for a reason."""

    go: Callable[[RedisServer], Awaitable[None]]
    come: Callable[[RedisServer], Awaitable[None]]
    said: str


async def freeze(server: RedisServer) -> None:
    server.freeze()


async def thaw(server: RedisServer) -> None:
    server.thaw()


outages = pytest.mark.parametrize(
    "outage",
    [Outage(freeze, thaw, "gave no answer"), Outage(RedisServer.kill, RedisServer.start, "can't be reached")],
    ids=["frozen", "killed"],
)


@asynccontextmanager
async def lanes(run: Callable[[int], Any]) -> AsyncIterator[None]:
    """`run` several times at once, each with its number, until the block ends."""
    tasks = [asyncio.create_task(run(lane)) for lane in range(LANES)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def go_away(
    server: RedisServer, outage: Outage, caplog: pytest.LogCaptureFixture, served: Callable[[], int]
) -> None:
    """Returns when the platform has given it up and those that waited for it are through. `served`: how many were
    answered without it.
    """
    await outage.go(server)
    await eventually(lambda: any("goes on without it" in line for line in caplog.messages), GONE_WITHIN)
    before = served()
    await eventually(lambda: served() > before + 2 * LANES, 2.0)


def managed(server: RedisServer) -> IntegrationManager:
    """The integration as it is configured by REDIS_URL."""
    settings = Settings.model_validate({"integrations": {"redis": {"settings": {"url": server.url}}}})
    configs = [config for config in integration_configs(settings) if config.name == "redis"]
    return IntegrationManager(Registry({"redis": RedisIntegration}), configs)
