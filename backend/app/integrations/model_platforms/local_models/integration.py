"""Models of one's own as an integration: GGUF files from a folder, and the bundled demo, run by llama.cpp in here.

    custom = CustomModelsIntegration(IntegrationConfig(name="custom_models", settings={"directory": "/models"}))
    await custom.initialize()
    stream = await custom.chat(exchange)

Which files there are: registry.py. Who is in memory: residency.py. How one runs: engine.py, runtime.py.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from app.core.clock import Clock, SystemClock
from app.core.integration_framework import (
    BaseIntegration,
    HealthReport,
    HealthStatus,
    IntegrationConfig,
    IntegrationConfigError,
)
from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import ModelNotFound, PlatformError, UnsupportedFeature
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.models import Capability, ModelInfo, ModelsChanged
from app.integrations.model_platforms.local_models import counting, inference, runtime
from app.integrations.model_platforms.local_models.answers import Telling
from app.integrations.model_platforms.local_models.engine import Engine
from app.integrations.model_platforms.local_models.inference import Source, answer
from app.integrations.model_platforms.local_models.questions import Question
from app.integrations.model_platforms.local_models.registry import Inventory, LocalModel, scan
from app.integrations.model_platforms.local_models.residency import Residency
from app.integrations.model_platforms.local_models.settings import CustomModelsSettings

_log = logging.getLogger(__name__)
_MOST_THREADS = 8
# Below this a model is computed faster than threads can agree on who does what.
_SMALL_BYTES = 64 << 20


class CustomModelsIntegration(BaseIntegration):
    """Satisfies ChatProvider, CompletionProvider, EmbeddingProvider, TokenCounter and ModelLoader."""

    settings_model = CustomModelsSettings
    settings: CustomModelsSettings
    # What is not in the folder cannot be run.
    accepts_unlisted = False

    def __init__(self, config: IntegrationConfig, *, clock: Clock | None = None) -> None:
        super().__init__(config)
        self._inventory = Inventory()
        self._models: tuple[ModelInfo, ...] = ()
        # One at a time: a load keeps the whole machine busy.
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="llama-load")
        self._preloading: asyncio.Task[None] | None = None
        self._residency = Residency(
            self._open,
            self._changed,
            clock or SystemClock(),
            # Looked up each time, since the context comes after the building.
            publish=lambda event: self.publish(event),
            provider=config.name,
            idle_seconds=self.settings.idle_unload_seconds,
            places=self.settings.max_loaded,
        )

    async def initialize(self) -> None:
        """Reads the headers of the files. Raises IntegrationConfigError: no runtime, no such folder."""
        runtime.require()
        try:
            await self.rescan()
        except OSError as error:
            raise IntegrationConfigError(f"settings.directory: it cannot be read: {error.strerror}") from error
        if self.settings.preload:
            self._preloading = asyncio.create_task(self._preload(), name=f"preload {self.name}")

    async def health_check(self) -> HealthReport:
        """Looks into the folder again, so that what was put there is found.

        Details: `models`, `loaded` (model -> modes), `running` (threads at work), `unsupported` (file -> reason).
        """
        try:
            await self.rescan()
        except OSError as error:
            return HealthReport(HealthStatus.DEGRADED, f"The folder cannot be read: {error.strerror}.")
        details = {
            "models": sorted(self._inventory.models),
            "loaded": self._residency.loaded(),
            "running": self._residency.running(),
            "unsupported": self._inventory.rejected,
        }
        return HealthReport(HealthStatus.HEALTHY, details=details)

    @property
    def busy(self) -> bool:
        return self._residency.busy

    async def shutdown(self) -> None:
        if self._preloading is not None:
            self._preloading.cancel()
            await asyncio.wait({self._preloading})
        await self._residency.close()
        self._loader.shutdown(wait=False)

    async def rescan(self) -> None:
        """Find new, changed and vanished files. Raises OSError when the folder cannot be read."""
        found = await asyncio.to_thread(
            scan, self.settings.directory, demo=self.settings.demo, before=self._inventory
        )
        if found == self._inventory:
            return
        for file, reason in found.rejected.items() - self._inventory.rejected.items():
            _log.warning("%s can't be used: %s", file, reason)
        vanished = self._inventory.models.keys() - found.models.keys()
        self._inventory = found
        self._changed()
        for name in vanished:
            self._residency.dismiss(name)

    def models(self) -> Sequence[ModelInfo]:
        return self._models

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        model = self._find(exchange.model, "chat")
        question, telling = inference.chat(exchange, model, self.name)
        return await self._ask("chat", model, question, telling)

    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream:
        model = self._find(exchange.model, "completion")
        question, telling = inference.completion(exchange, model, self.name)
        return await self._ask("completion", model, question, telling)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        model = self._find(exchange.model, "embedding")
        body = inference.embedding(exchange, model)
        tenant = await self._residency.enter(model, "embedding")
        try:
            body = await inference.embedded(tenant.engine, body, self._source(model))
        finally:
            tenant.leave()
        return inference.vectors(exchange, body, self._source(model))

    async def count_tokens(self, exchange: Exchange[ChatRequest]) -> int:
        """Loads the model. Raises what `chat` does, except that a prompt may be too long."""
        model = self._find(exchange.model, "chat")
        question, _ = inference.chat(exchange, model, self.name)
        tenant = await self._residency.enter(model, "generation")
        try:
            return await counting.prompt_tokens(tenant.engine, question, self._source(model))
        finally:
            tenant.leave()

    async def load(self, model: str) -> None:
        """Raises ModelNotFound, UpstreamUnavailable, Overloaded."""
        found = self._find(model)
        mode: runtime.Mode = "generation" if "completion" in found.capabilities else "embedding"
        (await self._residency.enter(found, mode)).leave()

    async def unload(self, model: str) -> None:
        """Returns when it has left memory, after its running answers. Raises ModelNotFound."""
        self._find(model)
        await self._residency.unload(model)

    async def _ask(
        self,
        operation: runtime.Operation,
        model: LocalModel,
        question: Question,
        telling: Telling,
    ) -> EventStream:
        tenant = await self._residency.enter(model, "generation")
        return await answer(
            tenant.engine, operation, question, telling, source=self._source(model), release=tenant.leave
        )

    def _find(self, name: str, capability: Capability | None = None) -> LocalModel:
        model = self._inventory.models.get(name)
        if model is None:
            raise ModelNotFound(f"'{self.name}' has no model '{name}'.", param="model")
        if capability is not None and capability not in model.capabilities:
            raise UnsupportedFeature(f"The local model '{name}' is not made for {capability}.", param="model")
        return model

    def _source(self, model: LocalModel) -> Source:
        return Source(provider=self.name, model=model.id, window=self._window(model))

    def _window(self, model: LocalModel) -> int:
        """Tokens that one request may take."""
        return min(model.header.context_length or self.settings.context_size, self.settings.context_size)

    async def _open(self, model: LocalModel, mode: runtime.Mode) -> Engine:
        spec = runtime.ServerSpec(
            path=model.path,
            alias=model.id,
            mode=mode,
            context=self._window(model),
            slots=self.settings.slots,
            threads=self.settings.threads or _threads_for(model),
            gpu_layers=self.settings.gpu_layers,
            own_pooling=model.header.pooling,
        )
        server = await asyncio.get_running_loop().run_in_executor(self._loader, runtime.open_server, spec)
        _log.info("loaded %s (%s)", model.id, mode)
        return Engine(server, slots=self.settings.slots, name=model.id)

    async def _preload(self) -> None:
        wanted = list(self._inventory.models) if self.settings.preload == ["*"] else self.settings.preload
        for name in wanted:
            try:
                await self.load(name)
            except PlatformError as error:
                _log.warning("preloading failed: %s", error.message)

    def _changed(self) -> None:
        loaded = self._residency.loaded()
        self._models = tuple(
            ModelInfo(
                id=model.id,
                provider=self.name,
                capabilities=model.capabilities,
                context_window=self._window(model),
                slots=self.settings.slots,
                size_bytes=model.size_bytes,
                format="gguf",
                quantization=model.header.quantization,
                family=model.header.architecture,
                loaded=model.id in loaded,
                created=model.created,
                owned_by=self.name,
                description=model.header.name,
                details={"parameters": model.header.parameters},
            )
            for model in self._inventory.models.values()
        )
        self.publish(ModelsChanged(self.name))


def _threads_for(model: LocalModel) -> int:
    if model.size_bytes < _SMALL_BYTES:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(_MOST_THREADS, cores or 1)
