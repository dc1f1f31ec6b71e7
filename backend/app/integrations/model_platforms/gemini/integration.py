"""The Gemini integration: its life and the ports it serves.

How a model is asked: client.py, over the wire format of request.py, messages.py, thinking.py, response.py,
frames.py, finish.py and errors.py. Which models there are: discovery.py.
"""

from app.core.integration_framework import HealthReport, IntegrationConfig, IntegrationConfigError, IntegrationType
from app.domain.chat import ChatRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import ProviderProtocolError
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.integrations.kit.platform import UpstreamPlatform
from app.integrations.kit.probe import Models, check
from app.integrations.model_platforms.gemini import names
from app.integrations.model_platforms.gemini.client import GeminiClient
from app.integrations.model_platforms.gemini.discovery import discover, named
from app.integrations.model_platforms.gemini.key_status import KeyStatusTransport
from app.integrations.model_platforms.gemini.settings import DEFAULT_BASE_URL, GeminiSettings

DEFAULT_GEMINIINTEGRATION_CONFIG = IntegrationConfig(
    name="gemini",
    type=IntegrationType.MODEL_PLATFORM,
    settings={"base_url": DEFAULT_BASE_URL, "timeout": 30},
)


class GeminiIntegration(UpstreamPlatform[GeminiClient]):
    """Google's Gemini API. Satisfies ChatProvider, EmbeddingProvider and TokenCounter."""

    settings_model = GeminiSettings
    settings: GeminiSettings

    def __init__(self, config: IntegrationConfig) -> None:
        """Raises IntegrationConfigError, also when the key is missing."""
        super().__init__(config)
        if not self.settings.has_key and not self.settings.headers:
            raise IntegrationConfigError("settings.api_key: Gemini needs a key; set it here or as GEMINI_API_KEY")

    async def initialize(self) -> None:
        """Connects and lists the models, or else makes sure that the key is good.

        Raises IntegrationConfigError for an address where no Gemini is.
        """
        self._upstream = self._connect(self.settings.root).through(KeyStatusTransport)
        self._client = GeminiClient(self._upstream, self.settings.prefix, self._thinks)
        if not self.settings.discover:
            await self._check()
        try:
            await self._known.refresh()
        except ProviderProtocolError as error:
            raise IntegrationConfigError(f"settings.base_url: {error.message}") from None

    async def health_check(self) -> HealthReport:
        report = await self._check()
        await self._known.refresh_if_old()
        report.details["models"] = len(self.models())
        return self._connected().told_in(report)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        return await self._started().embed(exchange)

    async def count_tokens(self, exchange: Exchange[ChatRequest]) -> int:
        return await self._started().count_tokens(exchange)

    async def _check(self) -> HealthReport:
        """A list of one model: the smallest question that takes a key."""
        return await check(self._connected(), f"{self.settings.prefix}/models?pageSize=1", self.settings.timeout)

    async def _fetch_models(self) -> Models:
        """What is set first, then what Gemini lists."""
        listed: Models = ()
        if self.settings.discover:
            listed = await discover(self._connected(), self.settings.prefix, self.settings.timeout)
        known = {model.id: model for model in listed}
        ids = [names.bare(model) for model in self.settings.models]
        return tuple(({id: known.get(id) or named(id, self.name) for id in ids} | known).values())

    def _thinks(self, model: str) -> bool | None:
        known = next((each for each in self.models() if each.id == model), None)
        return None if known is None else "reasoning" in known.capabilities
