"""Every row of the catalogue keeps the contract of integrations."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import pytest

from app.core.integration_framework import IntegrationConfig
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.integration import OpenAICompatibleIntegration
from app.testing.contract import IntegrationContract
from tests.integration.integrations.openai_compatible.provider import LIST
from tests.servers.scripted import ScriptedServer


@pytest.mark.parametrize("kind", CATALOGUE)
class TestOpenAICompatible(IntegrationContract):
    integration = OpenAICompatibleIntegration
    unready_settings: ClassVar[Mapping[str, Any]] = {"base_url": "http://127.0.0.1:1", "api_key": "k"}
    bad_settings = (
        {"base_url": 7},
        {"base_url": "ftp://host"},
        {"base_url": "http://u:p@host"},
        {"base_url": "http://host", "timeout": -1},
        {"base_url": "http://host", "unheard_of": True},
    )

    @pytest.fixture(autouse=True)
    async def _served(self, kind: str) -> AsyncIterator[None]:
        self.kind = kind
        async with ScriptedServer() as server:
            vendor = CATALOGUE[kind]
            for path in {vendor.locate(vendor.models_path), vendor.locate("models")}:
                server.on("GET", path, LIST)
            self.served = {"base_url": server.url, "api_key": "k"}
            yield

    def good_settings(self) -> Mapping[str, Any]:
        return self.served

    def config(self, settings: Mapping[str, Any]) -> IntegrationConfig:
        return IntegrationConfig(name="under_contract", kind=self.kind, settings=dict(settings))
