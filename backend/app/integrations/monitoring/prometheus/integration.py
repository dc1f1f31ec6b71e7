"""Metrics for Prometheus as an integration: counts calls and models as they come, and shows all at GET /metrics.

    prometheus = manager.get_integration("prometheus")
    kind, text = await prometheus.exposition("text/plain")

With several processes each counts for itself; whichever is asked tells of all of them together.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec

from app.core.integration_framework import (
    BaseIntegration,
    IntegrationConfig,
    IntegrationManager,
    UnknownIntegration,
)
from app.core.siblings import Siblings
from app.domain.calls import EndedCall
from app.domain.errors import Unavailable
from app.domain.observing import Observable
from app.integrations.kit.gen_ai import provider_name
from app.integrations.monitoring.prometheus.calls import CallMeter
from app.integrations.monitoring.prometheus.events import EventMeter
from app.integrations.monitoring.prometheus.exposition import write
from app.integrations.monitoring.prometheus.gpu import Gpus
from app.integrations.monitoring.prometheus.labels import Labels
from app.integrations.monitoring.prometheus.lag import LoopLag
from app.integrations.monitoring.prometheus.process import CpuPercent, of_the_machine
from app.integrations.monitoring.prometheus.room import collect
from app.integrations.monitoring.prometheus.settings import PrometheusSettings
from app.integrations.monitoring.prometheus.shelf import Shelf
from app.integrations.monitoring.prometheus.sight import Seen, of_all, of_this_process, together

TOPIC = "metrics"
"""What the processes ask each other about."""


class PrometheusIntegration(BaseIntegration):
    """Satisfies CallSink and Exposition."""

    settings_model = PrometheusSettings
    settings: PrometheusSettings
    busy = False

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self._parts: _Parts | None = None

    async def initialize(self) -> None:
        """Raises OSError where several processes have no place for what they count."""
        room = self.context.resource(Siblings).room(TOPIC)
        if room is not None:
            # Nobody may ever come for the metrics: then this is what clears up after processes that died.
            await asyncio.to_thread(collect, room)
        self._parts = _Parts(
            room,
            self.settings,
            self.context.resource(IntegrationManager),
            self.context.resource(Observable),
            self.context.resource(Siblings),
        )

    async def health_check(self) -> None:
        return None

    async def shutdown(self) -> None:
        parts, self._parts = self._parts, None
        if parts is not None:
            parts.close()

    def call_ended(self, call: EndedCall) -> None:
        if self._parts is not None:
            self._parts.calls.count(call)

    async def exposition(self, accept: str) -> tuple[str, bytes]:
        """Raises Unavailable after the shutdown."""
        if self._parts is None:
            raise Unavailable("The metrics are not counted any more.")
        return await self._parts.exposition(accept)


class _Parts:
    """What there is from initialize to shutdown."""

    def __init__(
        self,
        room: Path | None,
        settings: PrometheusSettings,
        manager: IntegrationManager,
        platform: Observable,
        siblings: Siblings,
    ) -> None:
        self._manager = manager
        self._platform = platform
        self._siblings = siblings
        self._room = room
        self._shelf = Shelf(room)
        self.calls = CallMeter(self._shelf, Labels(platform, settings.tenants, self._convention))
        self._events = EventMeter(self._shelf, platform, manager.events)
        self._lag = LoopLag(self._shelf)
        self._cpu = CpuPercent()
        self._gpus = Gpus() if settings.gpu else None
        self._stop_answering = siblings.answer(TOPIC, lambda _: msgspec.json.encode(list(self._look())))

    async def exposition(self, accept: str) -> tuple[str, bytes]:
        """Adding up and writing take their time, so they are done in a thread."""
        answers = await self._siblings.ask_all(TOPIC)
        gpus = [] if self._gpus is None else await self._gpus.look()
        seen = [*self._look(), *await of_all(self._platform), *gpus]
        return await asyncio.to_thread(self._write, seen, answers, accept)

    def close(self) -> None:
        self._stop_answering()
        self._events.stop()
        self._lag.stop()
        self._shelf.close()
        if self._gpus is not None:
            self._gpus.close()

    def _look(self) -> Iterator[Seen]:
        self._events.catch_up()
        yield from of_this_process(self._manager, self._platform)
        yield from of_the_machine(self._cpu)

    def _write(self, seen: list[Seen], answers: list[bytes], accept: str) -> tuple[str, bytes]:
        numbers = self._shelf.numbers() if self._room is None else collect(self._room)
        for answer in answers:
            seen += msgspec.json.decode(answer, type=list[Seen])
        return write(numbers, together(seen), accept)

    def _convention(self, integration: str) -> str:
        try:
            return provider_name(self._manager.status_of(integration).kind)
        except UnknownIntegration:
            return integration
