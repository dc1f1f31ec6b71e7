from collections.abc import AsyncIterator

import pytest

from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from tests.integration.integrations.local_models.asking import custom_models


@pytest.fixture
async def custom() -> AsyncIterator[CustomModelsIntegration]:
    """The demo model, with four slots."""
    async with custom_models() as integration:
        yield integration
