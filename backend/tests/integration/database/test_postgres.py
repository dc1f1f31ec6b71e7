"""A real PostgreSQL that freezes, goes away and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from app.core.integration_framework import IntegrationConfig, IntegrationNotReady
from app.domain.errors import UpstreamError, UpstreamTimeout
from app.domain.responses import StoredResponse
from app.integrations.storage.database.integration import DatabaseIntegration
from app.testing.clock import VirtualClock
from app.testing.contract import IntegrationContract
from tests.servers.postgres import Postgres

TIMEOUT = 0.3


def built(url: str, timeout: float = TIMEOUT) -> DatabaseIntegration:
    config = IntegrationConfig(name="database", settings={"url": url, "timeout": timeout})
    return DatabaseIntegration(config, VirtualClock())


@asynccontextmanager
async def running(postgres: Postgres) -> AsyncIterator[DatabaseIntegration]:
    async with postgres.database() as url:
        database = built(url)
        try:
            await database.initialize()
            yield database
        finally:
            await database.shutdown()


def stored(id: str) -> StoredResponse:
    return StoredResponse(id=id, principal="ann", previous_id=None, created=time.time(), items=b"[]", body=b"{}")


class TestPostgres(IntegrationContract):
    integration = DatabaseIntegration
    unready_settings: ClassVar[dict[str, Any]] = {"url": "postgresql://nobody@127.0.0.1:9/none"}

    @pytest.fixture(autouse=True)
    async def _url(self, postgres: Postgres) -> AsyncIterator[None]:
        async with postgres.database() as self.url:
            yield

    def good_settings(self) -> dict[str, Any]:
        return {"url": self.url}


async def test_one_that_is_frozen_is_given_up_and_taken_up_again(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(postgres) as database:
        await database.put_response(stored("before"))
        with postgres.frozen():
            for _ in range(3):
                began = time.monotonic()
                with pytest.raises(UpstreamTimeout):
                    await database.get_response("before", "ann")
                assert time.monotonic() - began < TIMEOUT + 0.5
        async with asyncio.timeout(5):
            while True:
                try:
                    assert await database.get_response("before", "ann") is not None
                    break
                except UpstreamError:
                    continue
        told = [record for record in caplog.records if record.name.startswith("app.")]
        assert [record.levelname for record in told] == ["WARNING"]


async def test_one_that_is_frozen_does_not_hold_up_the_end(postgres: Postgres) -> None:
    async with running(postgres) as database:
        await database.put_response(stored("a"))
        with postgres.frozen():
            began = time.monotonic()
            await database.shutdown()
            assert time.monotonic() - began < 5


async def test_one_that_is_frozen_at_the_start_is_not_ready(postgres: Postgres) -> None:
    async with postgres.database() as url:
        with postgres.frozen():
            database = built(url)
            began = time.monotonic()
            with pytest.raises(IntegrationNotReady):
                await database.initialize()
            assert time.monotonic() - began < TIMEOUT + 1
            await database.shutdown()


async def test_connections_that_were_cut_are_made_anew(postgres: Postgres) -> None:
    async with running(postgres) as database:
        await database.put_response(stored("a"))
        await postgres.cut_connections()
        assert await database.get_response("a", "ann") is not None
