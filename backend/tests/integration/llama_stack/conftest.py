"""Building and starting the integration beside a fake's address."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.core.integration_framework import IntegrationConfig
from app.integrations.model_platforms.llama_stack import LlamaStackIntegration
from tests.servers.llama_stack_fake import LlamaStackFake

Start = Callable[..., Awaitable[LlamaStackIntegration]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(fake: LlamaStackFake, **settings: Any) -> LlamaStackIntegration:
            config = IntegrationConfig(name="stack", settings={"base_url": fake.base_url, **settings})
            integration = LlamaStackIntegration(config)
            stack.push_async_callback(integration.shutdown)
            await integration.initialize()
            return integration

        yield start
