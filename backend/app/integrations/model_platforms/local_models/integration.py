"""Models of one's own as an integration: files from a folder, and the bundled demo, run by llama.cpp in here.

    custom = CustomModelsIntegration(IntegrationConfig(name="custom_models", settings={"directory": "/models"}))
    await custom.initialize()
    stream = await custom.chat(exchange)

Which files there are: shelf.py, over registry.py. How one comes into memory: loading.py. Who is there:
residency.py. How one runs: engine.py, runtime.py.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from app.core.clock import Clock, SystemClock
from app.core.integration_framework import BaseIntegration, HealthReport, HealthStatus, IntegrationConfig
from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import InvalidRequest, PlatformError, UpstreamError
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.models import ModelInfo, ModelsChanged, Resident
from app.domain.rerank import RerankRequest
from app.domain.tokens import Tokens
from app.integrations.model_platforms.local_models import counting, inference, ranking, runtime
from app.integrations.model_platforms.local_models.answers import Telling
from app.integrations.model_platforms.local_models.engine import Reading
from app.integrations.model_platforms.local_models.inference import Source, answer
from app.integrations.model_platforms.local_models.loading import EngineLoader
from app.integrations.model_platforms.local_models.questions import Question
from app.integrations.model_platforms.local_models.registry import DEMO_PATH, LocalModel
from app.integrations.model_platforms.local_models.residency import Residency
from app.integrations.model_platforms.local_models.room import Room
from app.integrations.model_platforms.local_models.schedule import next_due
from app.integrations.model_platforms.local_models.settings import CustomModelsSettings
from app.integrations.model_platforms.local_models.shelf import Shelf, told
from app.integrations.model_platforms.local_models.vocabulary import Vocabulary

_log = logging.getLogger(__name__)


class CustomModelsIntegration(BaseIntegration):
    """Satisfies ChatProvider, CompletionProvider, EmbeddingProvider, Reranker, TokenCounter, Tokenizer,
    ModelLoader, ModelPinner and ModelRemover.
    """

    settings_model = CustomModelsSettings
    settings: CustomModelsSettings
    # What is not in the folder cannot be run.
    accepts_unlisted = False

    def __init__(self, config: IntegrationConfig, *, clock: Clock | None = None) -> None:
        super().__init__(config)
        self._clock = clock or SystemClock()
        self._models: tuple[ModelInfo, ...] = ()
        self._tasks: set[asyncio.Task[None]] = set()
        self._shelf = Shelf(config.name, self.settings, self._left)
        self._loader = EngineLoader(self.settings)
        self._residency = Residency(
            self._loader,
            self._changed,
            self._clock,
            # Looked up each time, since the context comes after the building.
            publish=lambda event: self.publish(event),
            provider=config.name,
            idle_seconds=self.settings.idle_unload_seconds,
            room=Room(
                places=self.settings.max_loaded,
                budget=lambda: self._loader.budget,
                need=self._loader.need,
                patience=self.settings.room_wait_seconds,
            ),
        )
        for name in self.settings.pinned:
            self._residency.pin(name)

    async def initialize(self) -> None:
        """Reads the headers of the files. Raises IntegrationConfigError: no runtime."""
        runtime.require()
        await self.rescan()
        await self._loader.tidy(None if self._shelf.trouble else self._shelf.models.values())
        settings = self.settings
        wanted = list(self._shelf.models) if settings.preload == ["*"] else settings.preload
        self._spawn(self._load_all(dict.fromkeys([*settings.pinned, *wanted])), "preload")
        if settings.watch_seconds and settings.directory is not None:
            self._spawn(self._watch(), "watch")
        if settings.prewarm:
            self._spawn(self._prewarm(), "prewarm")

    async def health_check(self) -> HealthReport:
        """Looks into the folder again, so that what was put there is found.

        Details: `models`, `loaded` (model -> modes), `running` (threads at work), `unsupported` (file -> reason).
        """
        await self.rescan()
        details = {
            "models": sorted(self._shelf.models),
            "loaded": self._residency.loaded(),
            "running": self._residency.running(),
            "unsupported": self._shelf.inventory.rejected,
        }
        if self._shelf.trouble is not None:
            return HealthReport(HealthStatus.DEGRADED, self._shelf.trouble, details=details)
        refused = len(self._shelf.inventory.rejected)
        message = f"{refused} of the files in the folder can't be used; the details tell why." if refused else ""
        return HealthReport(HealthStatus.HEALTHY, message, details=details)

    @property
    def busy(self) -> bool:
        return self._residency.busy

    async def shutdown(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._residency.close()
        self._loader.close()

    async def rescan(self) -> None:
        """Find new, changed and vanished files now."""
        await self._shelf.rescan()

    def models(self) -> Sequence[ModelInfo]:
        return self._models

    def residents(self) -> Sequence[Resident]:
        return self._residency.residents()

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        model = self._shelf.find(exchange.model, "chat")
        question, telling = inference.chat(exchange, model, self.name)
        return await self._ask("chat", model, question, telling)

    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream:
        model = self._shelf.find(exchange.model, "completion")
        question, telling = inference.completion(exchange, model, self.name)
        return await self._ask("completion", model, question, telling)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        model = self._shelf.find(exchange.model, "embedding")
        body = inference.embedding(exchange, model)
        return inference.vectors(exchange, await self._read(model, "embedding", body), self._source(model))

    async def rerank(self, exchange: Exchange[RerankRequest]) -> EventStream:
        model = self._shelf.find(exchange.model, "rerank")
        body = ranking.question(exchange.request, model)
        return ranking.ranks(exchange, await self._read(model, "ranking", body), self._source(model))

    async def count_tokens(self, exchange: Exchange[ChatRequest]) -> int:
        """Loads the model. Raises what `chat` does, except that a prompt may be too long."""
        model = self._shelf.find(exchange.model, "chat")
        question, _ = inference.chat(exchange, model, self.name)
        tenant = await self._residency.enter(model, "generation")
        try:
            return await counting.prompt_tokens(tenant.engine, question, self._source(model))
        finally:
            tenant.leave()

    async def tokenize(self, model: str, text: str, *, special: bool, pieces: bool) -> Tokens:
        async with self._vocabulary(self._shelf.find(model)) as vocabulary:
            return await vocabulary.tokenize(text, special=special, pieces=pieces)

    async def tokenize_chat(self, exchange: Exchange[ChatRequest], *, pieces: bool) -> Tokens:
        model = self._shelf.find(exchange.model, "chat")
        question, _ = inference.chat(exchange, model, self.name)
        async with self._vocabulary(model) as vocabulary:
            return await vocabulary.tokenize_chat(question, pieces=pieces)

    async def detokenize(self, model: str, ids: Sequence[int]) -> str:
        async with self._vocabulary(self._shelf.find(model)) as vocabulary:
            return await vocabulary.detokenize(ids)

    async def load(self, model: str) -> None:
        """Raises ModelNotFound, UpstreamUnavailable, Overloaded."""
        found = self._shelf.find(model)
        (await self._residency.enter(found, runtime.mode_of(found.header))).leave()

    async def unload(self, model: str) -> None:
        """Returns when it has left memory, after its running answers; a load under way is given up. Raises
        ModelNotFound.
        """
        self._shelf.find(model)
        await self._residency.unload(model)

    async def pin(self, model: str) -> None:
        """Keep it in memory, and bring it there. Raises what `load` does."""
        self._shelf.find(model)
        before = self._residency.pin(model)
        try:
            await self.load(model)
        except PlatformError:
            self._residency.pin(model, before)
            raise

    async def unpin(self, model: str) -> None:
        self._shelf.find(model)
        self._residency.pin(model, False)

    async def delete(self, model: str) -> None:
        """Let it go, and delete its weights and what was converted of them. Raises ModelNotFound,
        InvalidRequest.
        """
        found = self._shelf.find(model)
        if found.path == DEMO_PATH:
            raise InvalidRequest("The demo model comes with the platform: switch it off with `demo: false`.")
        await self._residency.unload(model)
        try:
            await asyncio.to_thread(_delete, found.files)
        except OSError as error:
            raise UpstreamError(
                f"The files of '{model}' can't be deleted: {error.strerror}.", provider=self.name
            ) from None
        await self.rescan()

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

    async def _read(self, model: LocalModel, mode: Reading, body: bytes) -> bytes:
        tenant = await self._residency.enter(model, mode)
        try:
            return await inference.read(tenant.engine, mode, body, self._source(model))
        finally:
            tenant.leave()

    @asynccontextmanager
    async def _vocabulary(self, model: LocalModel) -> AsyncIterator[Vocabulary]:
        tenant = await self._residency.enter(model, runtime.mode_of(model.header))
        try:
            yield Vocabulary(tenant.engine, self._source(model))
        finally:
            tenant.leave()

    def _source(self, model: LocalModel) -> Source:
        return Source(provider=self.name, model=model.id, window=self._loader.window(model))

    def _spawn(self, work: Coroutine[Any, Any, None], what: str) -> None:
        task = asyncio.create_task(work, name=f"{what} {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(self.settings.watch_seconds)
            await self.rescan()

    async def _prewarm(self) -> None:
        while due := next_due(self.settings.prewarm, datetime.fromtimestamp(self._clock.now())):
            moment, names = due
            await self._clock.sleep(max(0.0, moment.timestamp() - self._clock.now()))
            await self._load_all(names)

    async def _load_all(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                await self.load(name)
            except PlatformError as error:
                _log.warning("loading ahead failed: %s", error.message)

    def _left(self, gone: list[LocalModel]) -> None:
        self._changed()
        for model in gone:
            self._residency.dismiss(model.id)
            if self._shelf.trouble is None:  # the folder is there, and the model is not
                self._loader.forget(model)

    def _changed(self) -> None:
        loaded, loading = self._residency.loaded(), self._residency.loading()
        self._models = tuple(
            told(
                model,
                self.name,
                window=self._loader.window(model),
                slots=self.settings.slots,
                loaded=model.id in loaded,
                loading=model.id in loading,
            )
            for model in self._shelf.models.values()
        )
        self.publish(ModelsChanged(self.name))


def _delete(files: Sequence[Path]) -> None:
    for path in files:
        path.unlink()
