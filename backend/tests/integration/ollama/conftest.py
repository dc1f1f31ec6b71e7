"""An Ollama fake and the integration pointed at it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.core.integration_framework import IntegrationConfig
from app.integrations.model_platforms.ollama.integration import OllamaIntegration
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel

Start = Callable[..., Awaitable[OllamaIntegration]]


@pytest.fixture
async def fake() -> AsyncIterator[OllamaFake]:
    models = (
        FakeModel("demo:latest"),
        FakeModel("thinker:8b", capabilities=("completion", "thinking"), architecture="qwen3"),
        FakeModel("vectors:latest", capabilities=("embedding",), architecture="bert", context_length=512),
    )
    async with OllamaFake(*models, registry=[FakeModel("new:latest", size=1000)]) as fake:
        yield fake


@pytest.fixture
async def start(fake: OllamaFake) -> AsyncIterator[Start]:
    """Builds and initialises an integration with these settings beside the fake's address."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> OllamaIntegration:
            config = IntegrationConfig(name="ollama", settings={"base_url": fake.base_url, **settings})
            integration = OllamaIntegration(config)
            stack.push_async_callback(integration.shutdown)
            await integration.initialize()
            return integration

        yield start


@pytest.fixture
async def ollama(start: Start) -> OllamaIntegration:
    return await start()
