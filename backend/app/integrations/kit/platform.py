"""What integrations with one HTTP upstream have in common: a connection, a client over it, a list of models, chat.

Whose server it is, how its list reads and how it shows that it is well is each integration's own matter.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from app.core.http import Transport, TransportSettings, create_transport
from app.core.integration_framework import BaseIntegration, IntegrationConfig, IntegrationConfigError
from app.domain.chat import ChatRequest
from app.domain.errors import UpstreamUnavailable
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.models import ModelInfo, ModelsChanged
from app.integrations.kit.probe import ModelList, Models
from app.integrations.kit.settings import UpstreamSettings


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
        self._transport: Transport | None = None
        self._client: C | None = None

    def models(self) -> Sequence[ModelInfo]:
        return self._known()

    async def shutdown(self) -> None:
        transport, self._transport, self._client = self._transport, None, None
        if transport is not None:
            await transport.aclose()

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        return await self._started().chat(exchange)

    @abstractmethod
    async def _fetch_models(self) -> Models:
        """What is offered now. Raises UpstreamError."""

    def _connect(self, base_url: str, settings: TransportSettings | None = None) -> Transport:
        """Raises IntegrationConfigError for what can't be right: an address, a header, a file."""
        try:
            self._transport = create_transport(
                name=self.name,
                base_url=base_url,
                headers=self.settings.request_headers(),
                settings=settings or self.settings.transport(),
            )
        except ValueError as error:
            raise IntegrationConfigError(str(error)) from None
        return self._transport

    def _connected(self) -> Transport:
        if self._transport is None:
            raise UpstreamUnavailable(f"'{self.name}' is not started.", provider=self.name)
        return self._transport

    def _started(self) -> C:
        if self._client is None:
            raise UpstreamUnavailable(f"'{self.name}' is not started.", provider=self.name)
        return self._client
