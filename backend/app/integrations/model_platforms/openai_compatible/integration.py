"""One OpenAI-compatible server or cloud as an integration. What differs between vendors is data: catalogue.py.
How requests travel: app.integrations.kit.openai_compatible.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from app.core.http import TransportSettings
from app.core.integration_framework import (
    HealthReport,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationType,
)
from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import UnsupportedFeature
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.rerank import RerankRequest
from app.domain.tokens import Tokens
from app.integrations.kit.openai_compatible import OpenAICompatibleClient
from app.integrations.kit.openai_platform import OpenAIPlatform
from app.integrations.kit.probe import Models, check
from app.integrations.kit.settings import NO_KEY
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.counting import count
from app.integrations.model_platforms.openai_compatible.discovery import discover, named
from app.integrations.model_platforms.openai_compatible.servers import GENERIC
from app.integrations.model_platforms.openai_compatible.settings import OpenAICompatibleSettings
from app.integrations.model_platforms.openai_compatible.tokenizing import ServerTokenizer
from app.integrations.model_platforms.openai_compatible.vendor import Vendor

DEFAULT_OPENAICOMPATIBLEINTEGRATION_CONFIG = IntegrationConfig(
    name="openai_compatible",
    type=IntegrationType.MODEL_PLATFORM,
    settings={"base_url": "http://localhost:8000", "api_key": NO_KEY, "timeout": 30},
)


class OpenAICompatibleIntegration(OpenAIPlatform):
    """Satisfies ChatProvider, CompletionProvider, EmbeddingProvider and Reranker.

    The vendor is the configuration's kind; for a kind that the catalogue lacks everything is set by hand. Any
    number of instances may run, each under a name of its own.
    """

    settings_model = OpenAICompatibleSettings
    settings: OpenAICompatibleSettings

    def __init__(self, config: IntegrationConfig) -> None:
        """Raises IntegrationConfigError, also when a cloud's key or a server's address is missing."""
        super().__init__(config)
        self.vendor = self._checked_vendor()

    async def initialize(self) -> None:
        """Connects and lists the models. A server without a list serves the models that are set."""
        upstream = self._connect(self.vendor.base_url or "", self._transport_settings())
        self._client = OpenAICompatibleClient(
            upstream,
            self.vendor.prefix,
            self.vendor.refused,
            self.vendor.profile,
            responses=self.vendor.responses,
            chat_format=self.vendor.chat,
            defaults=self.vendor.defaults,
        )
        if self.vendor.models_open and self.vendor.shows_wrong_key:
            await self._check()
        await self._known.refresh()

    async def health_check(self) -> HealthReport:
        report = await self._check()
        await self._known.refresh_if_old()
        report.details["models"] = len(self.models())
        report.details["key_checked"] = self.vendor.shows_wrong_key
        return self._connected().told_in(report)

    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream:
        if not self.vendor.completions:
            raise self._lacking("text completions")
        return await self._started().complete(exchange)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        if not self.vendor.embeddings:
            raise self._lacking("embeddings")
        return await self._started().embed(exchange)

    async def rerank(self, exchange: Exchange[RerankRequest]) -> EventStream:
        if not self.vendor.reranks:
            raise self._lacking("reranking")
        return await self._started().rerank(exchange)

    def _transport_settings(self) -> TransportSettings:
        settings = self.settings.transport()
        return settings if self.vendor.pooled else msgspec.structs.replace(settings, max_idle_connections=0)

    def _checked_vendor(self) -> Vendor:
        vendor = self.settings.vendor(CATALOGUE.get(self.config.effective_kind, GENERIC))
        if vendor.base_url is None:
            where = f"; set it here or as {vendor.base_url_env}" if vendor.base_url_env else ""
            raise IntegrationConfigError(
                f"settings.base_url: the address of the {vendor.title} server is missing{where}"
            )
        if vendor.api_key_env and not self.settings.has_key and not self.settings.headers:
            raise IntegrationConfigError(
                f"settings.api_key: {vendor.title} needs a key; set it here or as {vendor.api_key_env}"
            )
        return vendor

    async def _check(self) -> HealthReport:
        return await check(self._connected(), self.vendor.locate(self.vendor.health_path), self.settings.timeout)

    async def _fetch_models(self) -> Models:
        """What is set first, then what the server lists."""
        listed: Models | None = None
        if self.settings.discover:
            listed = await discover(self._connected(), self.vendor, self.settings.timeout)
        known = {model.id: model for model in listed or ()}
        wanted = {id: known.get(id) or named(id, self.vendor, self.name) for id in self.settings.models}
        return tuple((wanted | known if self.vendor.offers_listed else wanted).values())

    def _lacking(self, what: str) -> UnsupportedFeature:
        return UnsupportedFeature(f"{self.vendor.title} ('{self.name}') offers no {what}.", param="model")


class TokenCountingIntegration(OpenAICompatibleIntegration):
    """One whose server can count: satisfies NearTokenCounter besides."""

    counts_nearby: Literal[True] = True

    async def count_tokens(self, exchange: Exchange[ChatRequest]) -> int:
        return await count(self._connected(), self.vendor, exchange, self.settings.timeout)


class TokenizingIntegration(OpenAICompatibleIntegration):
    """One whose server tells the tokens of a text: satisfies Tokenizer besides."""

    async def tokenize(self, model: str, text: str, *, special: bool, pieces: bool) -> Tokens:
        return await self._tokenizer().tokenize(model, text, special=special, pieces=pieces)

    async def tokenize_chat(self, exchange: Exchange[ChatRequest], *, pieces: bool) -> Tokens:
        return await self._tokenizer().tokenize_chat(exchange, pieces=pieces)

    async def detokenize(self, model: str, ids: Sequence[int]) -> str:
        return await self._tokenizer().detokenize(model, ids)

    def _tokenizer(self) -> ServerTokenizer:
        if self.vendor.tokenizing is None:
            raise self._lacking("tokens")
        return ServerTokenizer(self._connected(), self.vendor, self.vendor.tokenizing, self.settings.timeout)
