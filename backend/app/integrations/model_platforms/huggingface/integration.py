"""Inference on Hugging Face: chat by whichever of its providers has a model, embeddings by its own servers.

How requests travel: app.integrations.kit.openai_compatible. What models there are: discovery.py.
"""

from itertools import chain
from urllib.parse import quote

from app.core.http import get_json
from app.core.integration_framework import (
    HealthReport,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationType,
)
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.integrations.kit.openai_compatible import OpenAICompatibleClient
from app.integrations.kit.openai_platform import OpenAIPlatform
from app.integrations.kit.probe import Models, check
from app.integrations.kit.streams import ready
from app.integrations.model_platforms.huggingface import embeddings
from app.integrations.model_platforms.huggingface.discovery import embedding_model, read_models
from app.integrations.model_platforms.huggingface.settings import ROUTER, HuggingFaceHubSettings
from app.wire.openai_chat.sampling import PLAIN_PROFILE

DEFAULT_HUGGINGFACEHUBINTEGRATION_CONFIG = IntegrationConfig(
    name="huggingface_hub",
    type=IntegrationType.MODEL_PLATFORM,
    settings={"base_url": ROUTER, "timeout": 30},
)


class HuggingFaceHubIntegration(OpenAIPlatform):
    """Satisfies ChatProvider and EmbeddingProvider.

    A model may be asked for as `org/name`, and with who shall run it: `:provider`, `:fastest` (what the bare name
    means), `:cheapest` or `:preferred`, the order of the token's owner.
    """

    settings_model = HuggingFaceHubSettings
    settings: HuggingFaceHubSettings

    def __init__(self, config: IntegrationConfig) -> None:
        """Raises IntegrationConfigError, also where there is no token."""
        super().__init__(config)
        if not self.settings.has_key and not self.settings.headers:
            raise IntegrationConfigError(
                "settings.api_key: Hugging Face needs a token; set it here or as HUGGINGFACE_TOKEN"
            )

    async def initialize(self) -> None:
        upstream = self._connect(self.settings.base_url)
        self._client = OpenAICompatibleClient(upstream, profile=PLAIN_PROFILE)
        await self._known.refresh()

    async def health_check(self) -> HealthReport:
        """Asks about one model, as the whole list is long. Neither wants a token, so that stays unchecked."""
        upstream = self._connected()
        model = next((each.id for each in self.models() if "chat" in each.capabilities), "")
        report = await check(upstream, f"/v1/models/{quote(model)}".rstrip("/"), self.settings.timeout)
        await self._known.refresh_if_old()
        report.details.update(models=len(self.models()), key_checked=False)
        return upstream.told_in(report)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        return ready(await embeddings.embed(self._connected(), exchange))

    async def _fetch_models(self) -> Models:
        listing = await get_json(self._connected(), "/v1/models", first_byte_timeout=self.settings.timeout)
        listed = read_models(listing, self.name, list_providers=self.settings.list_providers)
        added = (embedding_model(name, self.name) for name in self.settings.embedding_models)
        return tuple(chain(listed, added))
