"""Anthropic's Messages API as an integration: its life, its models, and the ports it serves.

How requests travel: client.py. What the list of models tells: discovery.py.
"""

from app.core.integration_framework import (
    HealthReport,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationType,
)
from app.domain.chat import ChatRequest
from app.domain.exchange import Exchange
from app.integrations.kit.platform import UpstreamPlatform
from app.integrations.kit.probe import Models, check
from app.integrations.model_platforms.anthropic.client import MessagesClient
from app.integrations.model_platforms.anthropic.discovery import MODELS, describe, discover, profile
from app.integrations.model_platforms.anthropic.settings import DEFAULT_BASE_URL, AnthropicSettings
from app.wire.anthropic_messages.native import Profile

DEFAULT_ANTHROPICINTEGRATION_CONFIG = IntegrationConfig(
    name="anthropic", type=IntegrationType.MODEL_PLATFORM, settings={"base_url": DEFAULT_BASE_URL, "timeout": 30}
)


class AnthropicIntegration(UpstreamPlatform[MessagesClient]):
    """Satisfies ChatProvider and TokenCounter. Any number of instances may run, each under a name of its own."""

    settings_model = AnthropicSettings
    settings: AnthropicSettings

    def __init__(self, config: IntegrationConfig) -> None:
        """Raises IntegrationConfigError, also when Anthropic's key is missing."""
        super().__init__(config)
        if self.settings.root == DEFAULT_BASE_URL and not self.settings.has_key and not self.settings.headers:
            raise IntegrationConfigError(
                "settings.api_key: Anthropic needs a key; set it here or as ANTHROPIC_API_KEY"
            )

    async def initialize(self) -> None:
        """Connects and lists the models. A server without a list serves the models that are set."""
        settings = self.settings
        upstream = self._connect(settings.root)
        self._client = MessagesClient(upstream, self._profile, beta=settings.beta, patience=settings.timeout)
        await self._known.refresh()

    async def health_check(self) -> HealthReport:
        report = await check(self._connected(), f"{MODELS}?limit=1", self.settings.timeout)
        await self._known.refresh_if_old()
        report.details["models"] = len(self.models())
        return self._connected().told_in(report)

    async def count_tokens(self, exchange: Exchange[ChatRequest]) -> int:
        return await self._started().count_tokens(exchange)

    async def _fetch_models(self) -> Models:
        """What is set first, then what the server lists."""
        listed: Models | None = None
        if self.settings.discover:
            listed = await discover(self._connected(), self.settings.timeout)
        known = {model.id: model for model in listed or ()}
        wanted = {id: known.get(id) or describe({"id": id}, self.name) for id in self.settings.models}
        return tuple((wanted | known).values())

    def _profile(self, model: str) -> Profile:
        named = (each for each in self.models() if model == each.id or model in each.aliases)
        return profile(next(named, None), self.settings)
