"""OpenTelemetry as an integration. Whether the collector is there is no matter to anybody who asks a model."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.core.integration_framework import (
    BaseIntegration,
    HealthReport,
    HealthStatus,
    IntegrationConfig,
    IntegrationConfigError,
)
from app.domain.calls import EndedCall
from app.domain.tracing import Trace
from app.integrations.monitoring.opentelemetry.sampling import Sampler, sampling_of
from app.integrations.monitoring.opentelemetry.settings import OpenTelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from app.integrations.monitoring.opentelemetry.instrument import Instrumented
    from app.integrations.monitoring.opentelemetry.telemetry import Telemetry

FLUSH_SECONDS = 2.0
"""What the end may take to tell the rest."""

_ROOM = "app.integrations.monitoring.opentelemetry"


class OpenTelemetryIntegration(BaseIntegration):
    """Satisfies Tracer and CallSink."""

    settings_model = OpenTelemetrySettings
    settings: OpenTelemetrySettings
    busy = False
    exclusive = True  # libraries that trace themselves do so for one at a time

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self._sampling = sampling_of(self.settings)
        self._sampler = Sampler(self._sampling)
        self._building: asyncio.Task[None] | None = None
        self._telemetry: Telemetry | None = None
        self._instrumented: Instrumented | None = None
        self._within: Callable[[Trace], AbstractContextManager[object]] = nullcontext

    async def initialize(self) -> None:
        """Does not ask whether the collector is there. Raises IntegrationConfigError."""
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            raise IntegrationConfigError("OTEL_SDK_DISABLED=true is set: unset it, or disable this integration")
        self._building = asyncio.create_task(asyncio.to_thread(self._build))
        await asyncio.shield(self._building)  # a thread can't be cancelled: shutdown waits for it

    def _build(self) -> None:
        room = import_module(f"{_ROOM}.telemetry")
        try:
            self._telemetry = telemetry = room.Telemetry(self.settings, self._sampling, self.context)
        except ValueError as error:
            # Its words may hold a part of a header.
            raise IntegrationConfigError(
                f"OTEL_ variables or settings are refused: {type(error).__name__}"
            ) from None
        self._within = room.Within
        if self.settings.instrument:
            instrument = import_module(f"{_ROOM}.instrument")
            self._instrumented = instrument.Instrumented(
                self.settings.instrument, telemetry.provider, self.context
            )

    async def health_check(self) -> HealthReport:
        """DEGRADED while the collector takes nothing."""
        if self._telemetry is None:
            return HealthReport(HealthStatus.UNHEALTHY, "not started")
        trouble, details = self._telemetry.trouble, self._telemetry.counts()
        if not trouble:
            return HealthReport(details=details)
        return HealthReport(HealthStatus.DEGRADED, f"the collector takes {trouble}", details)

    async def shutdown(self) -> None:
        if self._building is not None:
            await asyncio.wait({self._building})
        telemetry, self._telemetry = self._telemetry, None
        instrumented, self._instrumented = self._instrumented, None
        self._within = nullcontext
        if instrumented is not None:
            instrumented.undo()
        if telemetry is not None:
            await asyncio.to_thread(telemetry.close, FLUSH_SECONDS)

    @property
    def tracing(self) -> bool:
        return self.settings.sends("TRACES")

    @property
    def content(self) -> int:
        return self.settings.content_length if self.settings.content else 0

    def begin(self, trace: Trace | None) -> Trace:
        return self._sampler.begin(trace)

    def within(self, trace: Trace) -> AbstractContextManager[object]:
        return self._within(trace)

    def call_ended(self, call: EndedCall) -> None:
        if self._telemetry is not None:
            self._telemetry.ended(call)

    @contextmanager
    def create_span(self, name: str, attributes: Mapping[str, Any] | None = None) -> "Iterator[Span]":
        """A span around the block; within a call it is below the call's. Of an error that leaves the block its
        class is told, and not its words, which may hold a secret.
        """
        from opentelemetry.trace import INVALID_SPAN, Status, StatusCode

        if self._telemetry is None:
            yield INVALID_SPAN
            return
        spans = self._telemetry.tracer.start_as_current_span(
            name, attributes=dict(attributes or {}), record_exception=False, set_status_on_exception=False
        )
        with spans as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise
