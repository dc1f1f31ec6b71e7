"""The integration keeps the contract of integrations, before either generation."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import pytest

from app.integrations.model_platforms.llama_stack import LlamaStackIntegration
from app.testing.contract import IntegrationContract
from tests.servers.llama_stack_fake import CURRENT, EARLY, LlamaStackFake


@pytest.mark.parametrize("version", [EARLY, CURRENT])
class TestLlamaStack(IntegrationContract):
    integration = LlamaStackIntegration
    unready_settings: ClassVar[Mapping[str, Any]] = {"base_url": "http://127.0.0.1:1"}
    bad_settings = (
        {"base_url": 7},
        {"base_url": "ftp://host"},
        {"base_url": "http://u:p@host"},
        {"timeout": -1},
        {"provider_data": "key"},
        {"unheard_of": True},
    )

    @pytest.fixture(autouse=True)
    async def _served(self, version: str) -> AsyncIterator[None]:
        async with LlamaStackFake(version) as fake:
            self.served = {"base_url": fake.base_url}
            yield

    def good_settings(self) -> Mapping[str, Any]:
        return self.served
