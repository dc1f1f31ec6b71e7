"""The Redis integration over a real server: what it keeps, what it runs, what it says of its troubles."""

import asyncio
import logging
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytest_asyncio

from app.core.integration_framework import IntegrationConfig, IntegrationConfigError
from app.domain.errors import UpstreamAuthFailed, UpstreamError, UpstreamUnavailable
from app.domain.ports import Cache, ScriptRunner
from app.integrations.storage.redis.integration import RedisIntegration
from app.testing.contract import IntegrationContract
from tests.servers.certificates import Certificate
from tests.servers.redis_server import RedisServer, running_redis

# One bucket: takes ARGV[1] tokens of ARGV[2] and says how many are left, or -1.
BUCKET = """
local left = tonumber(redis.call('GET', KEYS[1]) or ARGV[2]) - ARGV[1]
if left < 0 then return -1 end
redis.call('SET', KEYS[1], left, 'PX', 60000)
return left
"""


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as started:
        yield started


def built(url: str, **settings: Any) -> RedisIntegration:
    # Longer than anything takes here, so that a busy machine fails no test that is not about time.
    return RedisIntegration(IntegrationConfig(name="redis", settings={"url": url, "timeout": 2.0, **settings}))


@asynccontextmanager
async def running(url: str, **settings: Any) -> AsyncIterator[RedisIntegration]:
    redis = built(url, **settings)
    try:
        await redis.initialize()
        yield redis
    finally:
        await redis.shutdown()


class TestRedis(IntegrationContract):
    integration = RedisIntegration
    bad_settings = (
        {"url": "http://h"},
        {"url": "redis:"},
        {"url": "redis://:pass/word@h"},
        {"timeout": 0},
        {"cert_file": "c.pem"},
        {"host": "h"},
    )
    unready_settings: ClassVar[dict[str, Any]] = {"url": "redis://127.0.0.1:9"}

    @pytest_asyncio.fixture(autouse=True)
    async def _server(self, server: RedisServer) -> None:
        self.url = server.url

    def good_settings(self) -> dict[str, Any]:
        return {"url": self.url}


async def test_what_is_put_can_be_had_by_every_process_until_it_is_deleted(server: RedisServer) -> None:
    async with running(server.url) as one, running(server.url) as other:
        assert isinstance(one, Cache)
        await one.put_cached("k", b"\x00\xff", 60.0)
        assert await other.get_cached("k") == b"\x00\xff"
        await other.delete_cached("k")
        assert await one.get_cached("k") is None


async def test_what_is_put_goes_by_itself(server: RedisServer) -> None:
    async with running(server.url, key_prefix="p:") as redis:
        await redis.put_cached("k", b"x", 90.0)
        left = await redis.run_script("return redis.call('PTTL', KEYS[1])", ["k"], [])
        assert 80_000 < left <= 90_000
        await redis.put_cached("k", b"x", 0.00001)
        gone = "local n = 0 repeat n = redis.call('EXISTS', KEYS[1]) until n == 0 return n"
        assert await redis.run_script(gone, ["other"], []) == 0


async def test_every_key_has_the_prefix(server: RedisServer) -> None:
    async with running(server.url, key_prefix="mine:") as redis:
        await redis.put_cached("a", b"1", 60.0)
        await redis.run_script("return redis.call('SET', KEYS[1], ARGV[1])", ["b"], ["2"])
        assert sorted(await redis.run_script("return redis.call('KEYS', '*')", [], [])) == [b"mine:a", b"mine:b"]


async def test_a_script_is_sent_once_and_again_after_the_server_forgot_it(server: RedisServer) -> None:
    async with running(server.url) as redis:
        assert isinstance(redis, ScriptRunner)
        assert await redis.run_script(BUCKET, ["bucket"], [3, 10]) == 7
        assert await redis.run_script(BUCKET, ["bucket"], [7.0, 10]) == 0
        assert await redis.run_script(BUCKET, ["bucket"], [1, 10]) == -1
        calls = await redis.run_script("return redis.call('INFO', 'commandstats')", [], [])
        assert b"cmdstat_eval:calls=1," in calls  # but for the one that looked
        await server.kill()
        await server.start()
        assert await redis.run_script(BUCKET, ["bucket"], [3, 10]) == 7


async def test_a_script_is_atomic_whoever_runs_it(server: RedisServer) -> None:
    async with running(server.url) as one, running(server.url, max_connections=4) as other:
        taken = await asyncio.gather(
            *(redis.run_script(BUCKET, ["bucket"], [1, 50]) for redis in (one, other) for _ in range(50))
        )
        assert sorted(taken) == [-1] * 50 + list(range(50))


async def test_what_the_server_refuses_is_an_error_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with running_redis("--maxmemory", "1") as server, running(server.url) as redis:
        for _ in range(5):
            with pytest.raises(UpstreamError, match="refused a command"):
                await redis.put_cached("k", b"x" * 100, 60.0)
        assert await redis.get_cached("k") is None
        await redis.health_check()
    (line,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert "maxmemory" in line


@pytest.mark.parametrize("user", ["", "ann:wrong@", ":wrong@"])
async def test_a_password_that_is_refused_is_for_a_person_to_mend(user: str) -> None:
    async with running_redis("--requirepass", "right") as server:
        redis = built(server.url.replace("//", f"//{user}"))
        with pytest.raises(UpstreamAuthFailed) as refused:
            await redis.initialize()
        assert "wrong" not in str(refused.value)
        await redis.shutdown()
        async with running(server.url.replace("//", "//:right@")) as redis:
            await redis.health_check()


async def test_a_url_with_options_that_make_no_sense() -> None:
    redis = built("redis://127.0.0.1:9/0?colour=blue")
    with pytest.raises(IntegrationConfigError, match=r"settings\.url"):
        await redis.initialize()
    await redis.shutdown()


async def test_before_its_start_and_after_its_end_it_is_not_there(server: RedisServer) -> None:
    redis = built(server.url)
    with pytest.raises(UpstreamUnavailable):
        await redis.get_cached("k")
    await redis.initialize()
    assert await redis.get_cached("k") is None
    await redis.shutdown()
    with pytest.raises(UpstreamUnavailable):
        await redis.get_cached("k")


async def test_an_encrypted_connection_is_checked(server: RedisServer, tmp_path: Path) -> None:
    """The program of the tests speaks no TLS itself: a proxy before it does."""
    own = Certificate(tmp_path, "localhost")
    async with tunnel(server.port, own.server()) as port:
        url = f"rediss://localhost:{port}/0"
        for trusting in ({"ca_file": str(own.file)}, {"verify": False}):
            async with running(url, **trusting) as redis:
                await redis.put_cached("k", b"x", 60.0)
                assert await redis.get_cached("k") == b"x"
        stranger = built(url)
        with pytest.raises(UpstreamUnavailable):
            await stranger.initialize()
        await stranger.shutdown()


@asynccontextmanager
async def tunnel(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a TLS server that passes everything on to `port`."""
    tasks: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        tasks.update((asyncio.create_task(copy(reader, back)), asyncio.create_task(copy(there, writer))))

    proxy = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    async with proxy:
        yield proxy.sockets[0].getsockname()[1]
    await asyncio.gather(*tasks)


def test_nothing_of_redis_is_loaded_before_it_is_used() -> None:
    code = "import sys, app.integrations.storage.redis.integration; print('redis' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
