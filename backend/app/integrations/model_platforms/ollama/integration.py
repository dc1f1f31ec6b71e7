"""The Ollama integration: one server, its models found, asked, fetched, loaded and dropped.

Here is its life and the ports it serves. How a model is asked: inference.py, over the wire format of request.py,
messages.py, response.py and errors.py. What the server has: library.py, over discovery.py.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from app.core.integration_framework import (
    BaseIntegration,
    HealthReport,
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationError,
    IntegrationNotReady,
    IntegrationType,
)
from app.domain.chat import ChatRequest, CompletionRequest, Sampling
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import (
    PlatformError,
    ProviderProtocolError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamUnavailable,
)
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.models import (
    ModelInfo,
    ModelLoaded,
    ModelLoadFailed,
    ModelsChanged,
    ModelUnloaded,
    PullProgress,
    Resident,
)
from app.integrations.kit.upstream import Upstream
from app.integrations.model_platforms.ollama import names
from app.integrations.model_platforms.ollama.client import OllamaClient, Running
from app.integrations.model_platforms.ollama.discovery import OLDEST_VERSION, truncates_silently
from app.integrations.model_platforms.ollama.inference import Generation, Inference
from app.integrations.model_platforms.ollama.library import ModelLibrary
from app.integrations.model_platforms.ollama.pulls import PullTracker
from app.integrations.model_platforms.ollama.request import encode_residence
from app.integrations.model_platforms.ollama.settings import DEFAULT_BASE_URL, OllamaSettings

DEFAULT_OLLAMAINTEGRATION_CONFIG = IntegrationConfig(
    name="ollama",
    type=IntegrationType.MODEL_PLATFORM,
    settings={"base_url": DEFAULT_BASE_URL, "timeout": 30},
)


class _Server(NamedTuple):
    upstream: Upstream
    client: OllamaClient
    library: ModelLibrary
    inference: Inference


class OllamaIntegration(BaseIntegration):
    """A server of Ollama, 0.12.6 or later, by its own API: chat, completions, embeddings, and its models' keeping.

    A prompt that does not fit a model's context raises ContextLengthExceeded; it is never shortened.
    """

    settings_model = OllamaSettings
    settings: OllamaSettings
    accepts_unlisted = False

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self._upstream: Upstream | None = None
        self._server: _Server | None = None

    async def initialize(self) -> None:
        """Raises IntegrationNotReady while the server is not to be reached, IntegrationConfigError for one that is
        too old or is not Ollama, IntegrationAuthFailed where the key is refused.
        """
        settings = self.settings
        self._upstream = Upstream.connect(self.name, settings.base_url, settings)
        client = OllamaClient(self._upstream, timeout=settings.timeout)
        library = ModelLibrary(client, provider=self.name, settings=settings, changed=self._models_changed)
        try:
            if not settings.in_cloud:
                _refuse_old(await client.version())
            await library.refresh()
        except PlatformError as error:
            raise _failed_start(error, settings) from error
        inference = Inference(client, library, provider=self.name, settings=settings)
        self._server = _Server(self._upstream, client, library, inference)

    async def health_check(self) -> HealthReport:
        """Asks for the version, and for the models when the last look is `model_refresh_interval` old."""
        server = self._serving()
        version = "cloud" if self.settings.in_cloud else await server.client.version()
        await server.library.refresh_if_due()
        models = server.library.models()
        loaded = sum(1 for model in models if model.loaded)
        report = HealthReport(details={"version": version, "models": len(models), "loaded": loaded})
        return server.upstream.told_in(report)

    @property
    def busy(self) -> bool:
        return self._upstream is not None and self._upstream.busy

    async def shutdown(self) -> None:
        upstream, self._upstream, self._server = self._upstream, None, None
        if upstream is not None:
            await upstream.aclose()

    def models(self) -> Sequence[ModelInfo]:
        return self._server.library.models() if self._server else ()

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        return await self._serving().inference.chat(exchange)

    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream:
        return await self._serving().inference.complete(exchange)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        return await self._serving().inference.embed(exchange)

    async def generate(
        self, model: str, prompt: str, *, system: str | None = None, sampling: Sampling | None = None
    ) -> Generation:
        """Answer `prompt` in the model's own chat template, as `ollama run` does."""
        return await self._serving().inference.generate(
            model, prompt, system=system, sampling=sampling or Sampling()
        )

    def check_name(self, model: str) -> None:
        names.check(model)

    async def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Fetch a model from its registry. Closing the generator stops the download; a later pull continues it."""
        server = self._serving()
        tracker = PullTracker(provider=self.name, model=names.check(model))
        async with aclosing(server.client.pull(model)) as lines:
            async for line in lines:
                yield tracker.track(line)
        tracker.check_finished()
        await server.library.refresh()

    async def pull_model(self, name: str) -> PullProgress:
        """Fetch a model and wait for it. Returns the last progress: status "success", and the bytes there were."""
        last = PullProgress(model=name, status="")
        async with aclosing(self.pull(name)) as progress:
            async for step in progress:
                last = step
        return last

    async def delete(self, model: str) -> None:
        server = self._serving()
        await server.client.delete(names.check(model))
        await server.library.refresh()

    async def running(self) -> Sequence[Running]:
        """The models in memory now, and until when (`ollama ps`)."""
        return await self._serving().client.ps()

    async def load(self, model: str) -> None:
        started = time.monotonic()
        try:
            await self._reside(model, keep=True)
        except UpstreamError:
            seconds = time.monotonic() - started
            self.publish(ModelLoadFailed(integration=self.name, model=model, seconds=seconds))
            raise

    def residents(self) -> Sequence[Resident]:
        """What was in memory at the last look."""
        return self._server.library.residents() if self._server else ()

    async def pin(self, model: str) -> None:
        """Keeps it in memory by this platform's word: whoever else asks the server for it can end that."""
        self._serving().library.pin(names.check(model), True)
        await self.load(model)

    async def unpin(self, model: str) -> None:
        library = self._serving().library
        library.pin(names.check(model), False)
        if (await library.find(model)).info.loaded:
            await self.load(model)  # which says how long it is to stay

    async def unload(self, model: str) -> None:
        await self._reside(model, keep=False)

    async def _reside(self, model: str, *, keep: bool) -> None:
        server = self._serving()
        embeds = not (await server.library.find(model)).info.capabilities & {"chat", "completion"}
        await server.client.read(
            "/api/embed" if embeds and keep else "/api/generate",
            encode_residence(await server.inference.terms(model), embeds=embeds, keep=keep),
            model=model,
            first_byte_timeout=self.settings.load_timeout,
        )
        await server.library.refresh()

    def _serving(self) -> _Server:
        if self._server is None:
            raise UpstreamUnavailable(f"'{self.name}' is not running.", provider=self.name)
        return self._server

    def _models_changed(self, events: Sequence[ModelLoaded | ModelUnloaded]) -> None:
        for event in events:
            self.publish(event)
        self.publish(ModelsChanged(self.name))


def _refuse_old(version: str) -> None:
    if truncates_silently(version):
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise IntegrationConfigError(
            f"Ollama {version} cuts prompts that are too long and says nothing. Update it to {oldest} or later."
        )


def _failed_start(error: PlatformError, settings: OllamaSettings) -> IntegrationError:
    """What it means for the integration that the first questions went wrong."""
    match error:
        case UpstreamAuthFailed():
            return IntegrationAuthFailed(f"{error.message} Set settings.api_key.")
        case UpstreamError() if not isinstance(error, ProviderProtocolError):
            return IntegrationNotReady(
                f"{error.message} Is Ollama running at {settings.base_url}? `ollama serve` starts it."
            )
        case _:
            return IntegrationConfigError(
                "settings.base_url leads to a server that does not answer as Ollama does."
            )
