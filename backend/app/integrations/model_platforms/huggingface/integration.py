"""Hugging Face: models of its Hub found and fetched, and inference by its providers and its own servers.

Fetching: hub.py, choosing.py, pulling.py. Inference needs a token; how its requests travel:
app.integrations.kit.openai_compatible; what models there are to ask: discovery.py.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from app.core.data_folder import models_folder
from app.core.http import get_json
from app.core.integration_framework import HealthReport, HealthStatus, IntegrationConfig, IntegrationType
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.models import FoundModel, PullProgress
from app.domain.whole import Whole
from app.integrations.kit.openai_compatible import OpenAICompatibleClient
from app.integrations.kit.openai_platform import OpenAIPlatform
from app.integrations.kit.probe import Models, check
from app.integrations.model_platforms.huggingface import embeddings
from app.integrations.model_platforms.huggingface.discovery import embedding_model, read_models
from app.integrations.model_platforms.huggingface.filters import read_filters
from app.integrations.model_platforms.huggingface.hub import Hub
from app.integrations.model_platforms.huggingface.names import read_name
from app.integrations.model_platforms.huggingface.pulling import Puller
from app.integrations.model_platforms.huggingface.repository import Repository
from app.integrations.model_platforms.huggingface.settings import ROUTER, HuggingFaceHubSettings
from app.wire.openai_chat.sampling import PLAIN_PROFILE

DEFAULT_HUGGINGFACEHUBINTEGRATION_CONFIG = IntegrationConfig(
    name="huggingface_hub",
    type=IntegrationType.MODEL_PLATFORM,
    settings={"base_url": ROUTER, "timeout": 30},
)


class HuggingFaceHubIntegration(OpenAIPlatform):
    """Satisfies ModelFinder, ModelStore and NameChecker; with a token also ChatProvider and EmbeddingProvider.

    A model may be asked for as `org/name`, and with who shall run it: `:provider`, `:fastest` (what the bare name
    means), `:cheapest` or `:preferred`, the order of the token's owner.
    """

    settings_model = HuggingFaceHubSettings
    settings: HuggingFaceHubSettings

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        settings = self.settings
        self._infers = settings.inference and (settings.has_key or bool(settings.headers))
        self.accepts_unlisted = self._infers
        self._hub = Hub(
            self.name,
            settings.hub_url,
            next(iter(settings.keys), ""),
            offline=settings.offline,
            seconds=settings.timeout,
        )
        self._puller = Puller(self._hub, settings.directory or models_folder(settings.data_dir))

    async def initialize(self) -> None:
        if self.settings.directory is None:
            with suppress(OSError):  # whoever pulls is told
                models_folder(self.settings.data_dir).mkdir(parents=True, exist_ok=True)
        if not self._infers:
            return
        upstream = self._connect(self.settings.base_url)
        self._client = OpenAICompatibleClient(upstream, profile=PLAIN_PROFILE)
        await self._known.refresh()

    async def health_check(self) -> HealthReport:
        """Asks about one model, as the whole list is long. Neither wants a token, so that stays unchecked. The Hub
        is not asked: without it nothing fails but a pull, which says so.
        """
        if not self._infers:
            return HealthReport(HealthStatus.HEALTHY, details={"infers": False})
        upstream = self._connected()
        model = next((each.id for each in self.models() if "chat" in each.capabilities), "")
        report = await check(upstream, f"/v1/models/{quote(model)}".rstrip("/"), self.settings.timeout)
        await self._known.refresh_if_old()
        report.details.update(models=len(self.models()), key_checked=False)
        return upstream.told_in(report)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        return Whole([await embeddings.embed(self._connected(), exchange)])

    async def search_models(
        self, query: str, limit: int = 20, filters: Mapping[str, str] | None = None
    ) -> Sequence[FoundModel]:
        """`filters`: author, task (as the Hub names it), tags (with commas), sort (downloads, likes, ...)."""
        found = await self._hub.search(query, limit, read_filters(filters or {}))
        return [
            FoundModel(
                name=f"hf:{model.id}",
                provider=self.name,
                task=model.task,
                formats=model.formats,
                parameters=model.parameters,
                context_window=model.context_window,
                license=model.license,
                gated=model.gated,
                downloads=model.downloads,
                likes=model.likes,
                updated=model.updated,
            )
            for model in found
        ]

    async def get_model_info(self, repository: str, revision: str | None = None) -> Repository:
        """With every file, its size and digest. Raises ModelNotFound, PermissionDenied (gated), UpstreamError."""
        wanted = read_name(repository)
        return await self._hub.info(wanted.repository, revision or wanted.revision)

    async def download_model(
        self, repository: str, revision: str | None = None, files: Sequence[str] | None = None
    ) -> list[Path]:
        """Fetch a model and wait for it; what suits this machine, or the `files` or quantisations that are named.
        Returns where each is: a file, or the folder of those that belong together. Raises what `pull` does.
        """
        at = f"@{revision}" if revision else ""
        return [await self._pulled(f"{repository}{at}{f':{file}' if file else ''}") for file in files or ("",)]

    async def _pulled(self, name: str) -> Path:
        place = ""
        async with aclosing(self.pull(name)) as steps:
            async for step in steps:
                place = step.details.get("place", place)
        return self._puller.root / place

    def check_name(self, model: str) -> None:
        read_name(model)

    def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        return self._puller.pull(model)

    async def delete(self, model: str) -> None:
        await self._puller.delete(model)

    async def _fetch_models(self) -> Models:
        listing = await get_json(self._connected(), "/v1/models", first_byte_timeout=self.settings.timeout)
        listed = read_models(listing, self.name, list_providers=self.settings.list_providers)
        added = (embedding_model(name, self.name) for name in self.settings.embedding_models)
        return tuple(chain(listed, added))
