"""Several processes with one Redis, as far as limits go: each has its own connection and knows of no other.

python -m tests.integration.limits.fleet URL LIMIT WINDOW SECONDS      # one of them as a process of its own
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.core.clock import Clock
from app.core.integration_framework import IntegrationConfig
from app.domain.errors import RateLimited
from app.domain.limits import Estimate, Rate, Reservation
from app.integrations.storage.redis.integration import RedisIntegration

ONE = Estimate(1, 1)


@asynccontextmanager
async def member(url: str, *, prefix: str = "test:", clock: Clock | None = None) -> AsyncIterator[SharedLimits]:
    """A generous time limit: a busy machine is not what is looked at here."""
    settings = {"url": url, "timeout": 5.0, "key_prefix": prefix}
    redis = RedisIntegration(IntegrationConfig(name="redis", settings=settings))
    await redis.initialize()
    limits = SharedLimits(MemoryLimits(), clock)
    limits.runner = redis
    try:
        yield limits
    finally:
        await limits.close()
        await redis.shutdown()


@asynccontextmanager
async def fleet(url: str, members: int, prefix: str) -> AsyncIterator[list[SharedLimits]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(member(url, prefix=prefix)) for _ in range(members)]


async def tried(
    limits: SharedLimits, rates: list[Rate], estimate: Estimate = ONE, holder: str = "a"
) -> Reservation | RateLimited:
    try:
        return await limits.reserve(holder, rates, estimate)
    except RateLimited as refusal:
        return refusal


async def _hammer(url: str, rate: Rate, seconds: float) -> list[tuple[float, float]]:
    """When each call that was let in was asked for and answered; the clock is the machine's."""
    found = []
    async with member(url) as limits:
        end = time.monotonic() + seconds
        while (began := time.monotonic()) < end:
            if not isinstance(await tried(limits, [rate]), RateLimited):
                found.append((began, time.monotonic()))
    return found


if __name__ == "__main__":
    address, limit, window, lasting = sys.argv[1:]
    told = Rate(unit="requests", limit=int(limit), window=float(window))
    print(json.dumps(asyncio.run(_hammer(address, told, float(lasting)))))
