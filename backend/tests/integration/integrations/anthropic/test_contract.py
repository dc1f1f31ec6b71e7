"""The integration keeps the contract of integrations."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from app.integrations.model_platforms.anthropic.integration import AnthropicIntegration
from app.testing.contract import IntegrationContract
from tests.servers.anthropic_fake import KEY, AnthropicFake


class TestAnthropic(IntegrationContract):
    integration = AnthropicIntegration
    unready_settings: ClassVar[Mapping[str, Any]] = {"base_url": "http://127.0.0.1:1", "api_key": KEY}
    bad_settings = (
        {},
        {"api_key": "not-needed"},
        {"base_url": 7},
        {"base_url": "http://u:p@host"},
        {"api_key": KEY, "version": "newest"},
        {"api_key": KEY, "max_tokens": 0},
        {"api_key": KEY, "timeout": -1},
        {"api_key": KEY, "unheard_of": True},
    )

    @pytest.fixture(autouse=True)
    def _served(self, fake: AnthropicFake) -> None:
        self.served = {"base_url": fake.url, "api_key": KEY}

    def good_settings(self) -> Mapping[str, Any]:
        return self.served
