"""The integration keeps the contract of integrations."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import pytest

from app.integrations.model_platforms.huggingface import HuggingFaceHubIntegration
from app.testing.contract import IntegrationContract
from tests.servers.huggingface_fake import TOKEN, HuggingFaceFake


class TestHuggingFaceHub(IntegrationContract):
    integration = HuggingFaceHubIntegration
    unready_settings: ClassVar[Mapping[str, Any]] = {"base_url": "http://127.0.0.1:1", "api_key": "k"}
    bad_settings = (
        {"hub_url": "ftp://host"},
        {"api_key": "k", "base_url": "ftp://host"},
        {"api_key": "k", "bill_to": "a b"},
        {"api_key": "k", "timeout": -1},
        {"api_key": "k", "unheard_of": True},
    )

    @pytest.fixture(autouse=True)
    async def _served(self) -> AsyncIterator[None]:
        async with HuggingFaceFake() as fake:
            self.served = {"base_url": fake.base_url, "api_key": TOKEN}
            yield

    def good_settings(self) -> Mapping[str, Any]:
        return self.served
