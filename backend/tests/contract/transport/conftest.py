"""Every contract test of the transport port runs with both clients on both event loops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from app.core.http import Transport, TransportSettings, create_transport

Connect = Callable[..., Transport]


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=["h1", "aiohttp"])
def client(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def connect(client: str) -> AsyncIterator[Connect]:
    """Makes transports, closes them, and fails the test when a task is left behind."""
    made: list[Transport] = []
    before = asyncio.all_tasks()

    def make(base_url: str, headers: Mapping[str, str] | None = None, **settings: object) -> Transport:
        chosen = TransportSettings(client=client, **settings)
        transport = create_transport(name="upstream", base_url=base_url, headers=headers or {}, settings=chosen)
        made.append(transport)
        return transport

    yield make
    for transport in made:
        await transport.aclose()
    async with asyncio.timeout(2):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=0.05)
