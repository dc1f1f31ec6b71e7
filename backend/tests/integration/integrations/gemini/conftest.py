"""A Gemini fake and the integration pointed at it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.core.integration_framework import IntegrationConfig
from app.integrations.model_platforms.gemini import GeminiIntegration
from tests.servers.gemini_fake import KEY, GeminiFake

Start = Callable[..., Awaitable[GeminiIntegration]]


@pytest.fixture
async def fake() -> AsyncIterator[GeminiFake]:
    async with GeminiFake() as fake:
        yield fake


@pytest.fixture
async def start(fake: GeminiFake) -> AsyncIterator[Start]:
    """Builds and initialises an integration with these settings beside the fake's address and key."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> GeminiIntegration:
            given = {"base_url": fake.base_url, "api_key": KEY, **settings}
            integration = GeminiIntegration(IntegrationConfig(name="gemini", settings=given))
            stack.push_async_callback(integration.shutdown)
            await integration.initialize()
            return integration

        yield start


@pytest.fixture
async def gemini(start: Start) -> GeminiIntegration:
    return await start()
