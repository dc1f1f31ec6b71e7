"""The fake, started for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.servers.anthropic_fake import AnthropicFake


@pytest.fixture
async def fake() -> AsyncIterator[AnthropicFake]:
    async with AnthropicFake() as fake:
        yield fake
