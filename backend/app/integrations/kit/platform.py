"""What integrations with one HTTP upstream have in common: a connection, a client over it, a list of models, chat.

Whose server it is, how its list reads and how it shows that it is well is each integration's own matter.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from app.core.http import TransportSettings
from app.core.integration_framework import BaseIntegration, IntegrationConfig
from app.domain.chat import ChatRequest
from app.domain.errors import UpstreamUnavailable
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.models import ModelInfo, ModelsChanged
from app.integrations.kit.probe import ModelList, Models
from app.integrations.kit.settings import UpstreamSettings
from app.integrations.kit.upstream import Upstream


class ChatClient(Protocol):
    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream: ...


C = TypeVar("C", bound=ChatClient)


class UpstreamPlatform(BaseIntegration, Generic[C]):
    """Satisfies ChatProvider. A subclass calls `_connect` in initialize() and sets `_client`."""

    settings: UpstreamSettings

    accepts_unlisted = True

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self._known = ModelList(
            self._fetch_models,
            lambda: self.publish(ModelsChanged(self.name)),
            self.settings.model_refresh_interval,
        )
        self._upstream: Upstream | None = None
        self._client: C | None = None

    def models(self) -> Sequence[ModelInfo]:
        return self._known()

    @property
    def busy(self) -> bool:
        return self._upstream is not None and self._upstream.busy

    async def shutdown(self) -> None:
        upstream, self._upstream, self._client = self._upstream, None, None
        if upstream is not None:
            await upstream.aclose()

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        return await self._started().chat(exchange)

    @abstractmethod
    async def _fetch_models(self) -> Models:
        """What is offered now. Raises UpstreamError."""

    def _connect(self, base_url: str, transport: TransportSettings | None = None) -> Upstream:
        """Raises IntegrationConfigError for what can't be right: an address, a header, a file."""
        self._upstream = Upstream.connect(self.name, base_url, self.settings, transport)
        return self._upstream

    def _connected(self) -> Upstream:
        if self._upstream is None:
            raise UpstreamUnavailable(f"'{self.name}' is not started.", provider=self.name)
        return self._upstream

    def _started(self) -> C:
        if self._client is None:
            raise UpstreamUnavailable(f"'{self.name}' is not started.", provider=self.name)
        return self._client
