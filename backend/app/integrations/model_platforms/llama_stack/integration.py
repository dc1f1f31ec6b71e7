"""One Llama Stack server, of either generation: its models found, its providers watched, asked as OpenAI is.

How requests travel: app.integrations.kit.openai_compatible. What the server tells of itself: discovery.py.
"""

from app.core.integration_framework import HealthReport, HealthStatus, IntegrationConfig, IntegrationType
from app.domain.chat import CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.integrations.kit.openai_compatible import OpenAICompatibleClient
from app.integrations.kit.openai_platform import OpenAIPlatform
from app.integrations.kit.probe import Models, check
from app.integrations.kit.stream_end import EndMarkingTransport
from app.integrations.model_platforms.llama_stack.discovery import (
    Generation,
    Provider,
    ask_failing,
    ask_models,
    ask_version,
    read_models,
)
from app.integrations.model_platforms.llama_stack.settings import DEFAULT_BASE_URL, LlamaStackSettings
from app.wire.openai_chat.sampling import PLAIN_PROFILE

DEFAULT_LLAMASTACKINTEGRATION_CONFIG = IntegrationConfig(
    name="llama_stack",
    type=IntegrationType.MODEL_PLATFORM,
    settings={"base_url": DEFAULT_BASE_URL, "timeout": 30},
)


class LlamaStackIntegration(OpenAIPlatform):
    """Satisfies ChatProvider, CompletionProvider and EmbeddingProvider.

    A provider of the stack that is not well makes the integration DEGRADED, and its models are offered as not
    serving.
    """

    settings_model = LlamaStackSettings
    settings: LlamaStackSettings

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self._version = ""
        self._generation: Generation | None = None
        self._failing: tuple[Provider, ...] = ()

    async def initialize(self) -> None:
        transport = self._connect(self.settings.base_url)
        self._version = await ask_version(transport, self.settings.timeout)
        self._failing = await ask_failing(transport, self.settings.timeout)
        await self._known.refresh()

    async def health_check(self) -> HealthReport:
        """The server is asked, and it asks its providers; each change among them is a new look at the models."""
        upstream, patience = self._connected(), self.settings.timeout
        report = await check(upstream, "/v1/health", patience)
        failing = await ask_failing(upstream, patience)
        if failing == self._failing:
            await self._known.refresh_if_old()
        else:
            self._failing = failing
            await self._known.refresh()
        details = {
            **report.details,
            "version": self._version,
            "generation": self._generation.name if self._generation else "",
            "models": len(self.models()),
            "failing_providers": {f"{each.api}/{each.id}": each.message for each in failing},
        }
        if failing:
            return HealthReport(HealthStatus.DEGRADED, _told(failing), details)
        return upstream.told_in(HealthReport(details=details))

    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream:
        return await self._started().complete(exchange)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        return await self._started().embed(exchange)

    async def _fetch_models(self) -> Models:
        """Also sees which generation the server is, which an update may change."""
        listing = await ask_models(self._connected(), self.settings.timeout)
        failing = frozenset(each.id for each in self._failing if each.api == "inference")
        generation, models = read_models(listing, self._version, self.name, failing)
        if generation != self._generation:
            self._speak(generation)
        return models

    def _speak(self, generation: Generation) -> None:
        self._generation = generation
        self._client = OpenAICompatibleClient(
            self._connected().through(EndMarkingTransport),
            generation.prefix,
            profile=PLAIN_PROFILE,  # what the stack does not know it hands to a provider, and some refuse it
            responses=generation.responses and self.settings.responses,
        )


def _told(failing: tuple[Provider, ...]) -> str:
    causes = ", ".join(f"{each.id} ({each.message})" if each.message else each.id for each in failing)
    return f"Providers of the stack that are not well: {causes}."
