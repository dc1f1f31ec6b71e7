"""What runs while traces and metrics are told: built once, in a thread, since the SDK takes a while to import."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from app import __version__
from app.core.integration_framework import IntegrationManager
from app.core.integration_framework.context import IntegrationContext
from app.core.integration_framework.errors import IntegrationError, MissingResource
from app.domain.calls import EndedCall
from app.domain.observing import Observable
from app.domain.tracing import Trace
from app.integrations.monitoring.opentelemetry.exporters import Courier, metric_exporter, span_exporter
from app.integrations.monitoring.opentelemetry.figures import Figures
from app.integrations.monitoring.opentelemetry.outbox import Outbox
from app.integrations.monitoring.opentelemetry.sampling import Sampling
from app.integrations.monitoring.opentelemetry.settings import OpenTelemetrySettings
from app.integrations.monitoring.opentelemetry.spans import Scene, spans_of

SCOPE = InstrumentationScope("llm-platform", __version__, "https://opentelemetry.io/schemas/1.41.0")

logger = logging.getLogger(__name__)


class Telemetry:
    """Raises ValueError for settings that make no sense."""

    def __init__(self, settings: OpenTelemetrySettings, sampling: Sampling, context: IntegrationContext) -> None:
        self._couriers: list[Courier] = []
        self.outbox: Outbox | None = None
        self.reporter: Reporter | None = None
        self._resource = _resource(settings)
        kind_of = _kinds(context)
        content = settings.content_length if settings.content else 0
        self._scene = Scene(self._resource, SCOPE, kind_of, content)
        if settings.sends("TRACES"):
            courier = self._courier(Courier(span_exporter(settings)))
            self.outbox = Outbox(courier.spans, settings.room, settings.delay)
        if settings.sends("METRICS"):
            courier = self._courier(Courier(metric_exporter(settings)))
            figures = Figures(self._resource, SCOPE, kind_of, _known(context))
            self.reporter = Reporter(figures, courier, settings.metrics_interval)
        self.provider = self._provider(sampling)
        self.tracer = self.provider.get_tracer(SCOPE.name, SCOPE.version, schema_url=SCOPE.schema_url)

    @property
    def trouble(self) -> str:
        """What did not arrive when it was told last, and why; empty where all did."""
        parts = {"spans": self.outbox, "metrics": self.reporter}
        return ", ".join(f"no {name} ({part.trouble})" for name, part in parts.items() if part and part.trouble)

    def counts(self) -> dict[str, int]:
        """Of spans."""
        out = self.outbox
        return {} if out is None else {"delivered": out.delivered, "lost": out.lost, "waiting": out.waiting}

    def _courier(self, courier: Courier) -> Courier:
        self._couriers.append(courier)
        return courier

    def _provider(self, sampling: Sampling) -> TracerProvider:
        """For spans of what is under way: `create_span`, and libraries that trace themselves."""
        by_ratio = TraceIdRatioBased(sampling.ratio)
        provider = TracerProvider(
            ParentBased(by_ratio) if sampling.follow else by_ratio, self._resource, shutdown_on_exit=False
        )
        if self.outbox is not None:
            provider.add_span_processor(_Into(self.outbox))
        return provider

    def ended(self, call: EndedCall) -> None:
        if self.reporter is not None:
            self.reporter.figures.add(call)
        trace = call.trace
        if trace is None or trace.told is None or self.outbox is None:
            return
        told, trace.told = trace.told, None  # records are kept for a while; what was asked need not be
        self.outbox.put(spans_of(call, trace, told, self._scene))

    def close(self, seconds: float) -> None:
        """Tell what there is still to tell, for so long at most. Blocks."""
        end = time.monotonic() + seconds
        for thread in (self.outbox, self.reporter):
            if thread is not None:
                thread.close(max(0.0, end - time.monotonic()))
        for courier in self._couriers:
            courier.close()


class Reporter:
    """Tells the figures at intervals, in a thread of its own."""

    def __init__(self, figures: Figures, courier: Courier, interval: float) -> None:
        self.figures = figures
        self.trouble: str | None = None
        self._courier = courier
        self._interval = interval
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="opentelemetry-metrics", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> None:
        self._closing.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(self._interval)
            self._report()

    def _report(self) -> None:
        try:
            trouble = self._courier.metrics(self.figures.told())
        except Exception as error:
            trouble = type(error).__name__
        if (trouble is None) is not (self.trouble is None):
            told = "takes no metrics" if trouble else "takes metrics again"
            logger.warning("the collector %s%s", told, f" ({trouble})" if trouble else "")
        self.trouble = trouble


class Within(AbstractContextManager[None]):
    """The block's own spans, and those of libraries that trace themselves, are below `trace`."""

    __slots__ = ("_context", "_token")

    def __init__(self, trace: Trace) -> None:
        self._context = _context(trace) if trace.span else UNRECORDED
        self._token: Any = None

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(self, *error: object) -> None:
        detach(self._token)


def _context(trace: Trace) -> Context:
    known = SpanContext(int(trace.id, 16), int(trace.span, 16), False, TraceFlags(trace.flags))
    return set_span_in_context(NonRecordingSpan(known))


UNRECORDED = set_span_in_context(NonRecordingSpan(SpanContext(1, 1, False, TraceFlags(0))))
"""Within a call that is not recorded nothing else is: to make a context of its own for each would cost too much.
"""


class _Into(SpanProcessor):
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def on_start(self, span: Span, parent_context: Context | None = None) -> None: ...

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self._outbox.put((span,))


def _kinds(context: IntegrationContext) -> Callable[[str], str]:
    """The kind of an integration by its name; the name itself, where nobody can tell."""
    try:
        manager = context.resource(IntegrationManager)
    except MissingResource:
        return str

    def kind(name: str) -> str:
        try:
            return manager.get_integration(name).config.effective_kind
        except IntegrationError:
            return name

    return kind


def _known(context: IntegrationContext) -> Callable[[str, str], bool]:
    try:
        return context.resource(Observable).knows_target
    except MissingResource:
        return lambda integration, model: False


_INSTANCE = str(uuid.uuid4())
"""Of this process: figures of several must not be taken for those of one."""


def _resource(settings: OpenTelemetrySettings) -> Resource:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are read by the SDK."""
    found = Resource.create({"service.version": __version__, "service.instance.id": _INSTANCE})
    named = str(found.attributes.get(SERVICE_NAME, ""))
    wanted = settings.service_name or ("llm-platform" if named.startswith("unknown_service") else named)
    return found.merge(Resource({SERVICE_NAME: wanted}))
