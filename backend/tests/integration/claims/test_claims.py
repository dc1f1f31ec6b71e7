"""Keys that one of several takes, over everything that keeps them: this process's memory, and real servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.core.integration_framework import BaseIntegration, IntegrationConfig
from app.domain.errors import UpstreamError
from app.domain.ports import ClaimStore
from app.inference.once.memory import MemoryClaims
from app.integrations.storage.database.claims import AT_ONCE
from app.integrations.storage.database.integration import DatabaseIntegration
from app.integrations.storage.redis.integration import RedisIntegration
from app.testing.clock import VirtualClock
from tests.servers.asking import becomes
from tests.servers.postgres import Postgres
from tests.servers.redis_server import running_redis

MINUTE = 60.0


@pytest.fixture(params=["memory", "redis", "sqlite", "postgres"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[ClaimStore, ClaimStore]]:
    """As two processes have it; the memory is one's own."""
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            memory = MemoryClaims(1 << 20)
            yield memory, memory
            return
        built = await _built(request, tmp_path, stack)
        for each in built:
            stack.push_async_callback(each.shutdown)
            await each.initialize()
        one, other = built
        assert isinstance(one, ClaimStore)
        assert isinstance(other, ClaimStore)
        yield one, other


async def _built(request: pytest.FixtureRequest, folder: Path, stack: AsyncExitStack) -> list[BaseIntegration]:
    settings: dict[str, Any] = {"data_dir": str(folder)}
    if request.param == "redis":
        settings = {"url": (await stack.enter_async_context(running_redis())).url, "timeout": 2.0}
        return [RedisIntegration(IntegrationConfig(name="redis", settings=settings)) for _ in range(2)]
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        settings = {"url": await stack.enter_async_context(postgres.database())}
    return [DatabaseIntegration(IntegrationConfig(name="database", settings=settings)) for _ in range(2)]


async def test_of_many_who_come_at_once_one_takes_it(stores: tuple[ClaimStore, ClaimStore]) -> None:
    marks = [b"mark %d" % number for number in range(50)]
    told = await asyncio.gather(
        *(stores[number % 2].claim("key", mark, MINUTE) for number, mark in enumerate(marks))
    )
    assert told.count(None) == 1
    assert set(told) == {None, marks[told.index(None)]}


async def test_a_life(stores: tuple[ClaimStore, ClaimStore]) -> None:
    one, other = stores
    value = bytes(range(256)) * 64
    assert await one.claim("key", b"\x00one", MINUTE) is None
    assert await other.claim("key", b"other", MINUTE) == b"\x00one"
    assert not await other.exchange("key", b"other", value, MINUTE)
    assert await one.exchange("key", b"\x00one", b"\x00one", MINUTE)
    assert await other.claim("another", b"other", MINUTE) is None
    assert await one.exchange("key", b"\x00one", value, MINUTE)
    assert await other.claim("key", b"other", MINUTE) == value
    assert not await one.exchange("key", b"\x00one", None)


async def test_what_is_given_free_can_be_taken(stores: tuple[ClaimStore, ClaimStore]) -> None:
    one, other = stores
    assert await one.claim("key", b"one", MINUTE) is None
    assert await one.exchange("key", b"one", None)
    assert await other.claim("key", b"other", MINUTE) is None
    assert not await one.exchange("key", b"one", None)


async def test_it_is_free_when_its_time_is_over(stores: tuple[ClaimStore, ClaimStore]) -> None:
    one, other = stores
    assert await one.claim("mark", b"one", 0.3) is None
    assert await one.claim("answer", b"one", MINUTE) is None
    assert await one.exchange("answer", b"one", b"value", 0.3)
    for key, there in (("mark", b"one"), ("answer", b"value")):
        assert await other.claim(key, b"other", MINUTE) in (there, None)
        await becomes(lambda key=key: _taken(other, key), 2.0)
    assert not await one.exchange("mark", b"one", b"value", MINUTE)


async def _taken(store: ClaimStore, key: str) -> bool:
    return await store.claim(key, b"other", MINUTE) in (None, b"other")


async def test_what_has_expired_is_deleted_in_ranges(database_settings: dict[str, Any]) -> None:
    clock = VirtualClock()
    database = DatabaseIntegration(IntegrationConfig(name="database", settings=database_settings), clock)
    try:
        await database.initialize()
        for number in range(AT_ONCE + 20):
            await database.claim(f"{number}", b"mark", 10.0)
        await database.claim("stays", b"mark", 20.0)
        await clock.advance(10.0)  # its upkeep may be at it, too
        await database.delete_expired()
        await becomes(lambda: _has_only(database, "stays"))
    finally:
        await database.shutdown()


async def _has_only(database: DatabaseIntegration, key: str) -> bool:
    async with database.reading() as connection:
        return (await connection.execute(text("SELECT key FROM claims"))).scalars().all() == [key]


async def test_servers_that_do_not_answer_say_so_soon(postgres: Postgres) -> None:
    async with postgres.database() as url, running_redis() as server:
        redis = RedisIntegration(IntegrationConfig(name="redis", settings={"url": server.url}))
        database = DatabaseIntegration(IntegrationConfig(name="database", settings={"url": url, "timeout": 0.3}))
        try:
            for store in (redis, database):
                await store.initialize()
                assert await store.claim("key", b"mark", MINUTE) is None
            server.freeze()
            with postgres.frozen():
                for store in (redis, database):
                    with pytest.raises(UpstreamError):
                        await store.claim("other", b"mark", MINUTE)
                    with pytest.raises(UpstreamError):
                        await store.exchange("key", b"mark", None)
        finally:
            server.thaw()
            await redis.shutdown()
            await database.shutdown()
