"""The SDK's own exporters, over HTTP or gRPC, and what they say of a delivery that failed.

They log each failure, and each try of it, with the server's own words. Here one word of each is kept, for a line
that is told once and for the health check.
"""

import logging
import threading
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.integrations.monitoring.opentelemetry.cleaning import without_secrets
from app.integrations.monitoring.opentelemetry.settings import OpenTelemetrySettings


def span_exporter(settings: OpenTelemetrySettings) -> SpanExporter:
    if settings.protocol_of("TRACES") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

        return OverGrpc(settings.endpoint, headers=settings.plain_headers(), timeout=settings.timeout)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp

    return OverHttp(_path(settings, "traces"), headers=settings.plain_headers(), timeout=settings.timeout)


def metric_exporter(settings: OpenTelemetrySettings) -> MetricExporter:
    if settings.protocol_of("METRICS") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as OverGrpc

        return OverGrpc(settings.endpoint, headers=settings.plain_headers(), timeout=settings.timeout)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as OverHttp

    return OverHttp(_path(settings, "metrics"), headers=settings.plain_headers(), timeout=settings.timeout)


def _path(settings: OpenTelemetrySettings, signal: str) -> str | None:
    """None: as the environment has it."""
    return None if settings.endpoint is None else f"{settings.endpoint}/v1/{signal}"


class Courier:
    """Delivers, and says why not."""

    def __init__(self, exporter: SpanExporter | MetricExporter) -> None:
        self._exporter: Any = exporter
        for name in (type(exporter).__module__, *_SHARED):
            logging.getLogger(name).addFilter(_WORDS)

    def spans(self, batch: Sequence[ReadableSpan]) -> str | None:
        return self._verdict(self._exporter.export(without_secrets(batch)) is SpanExportResult.SUCCESS)

    def metrics(self, data: MetricsData) -> str | None:
        return self._verdict(self._exporter.export(data) is MetricExportResult.SUCCESS)

    def close(self) -> None:
        self._exporter.shutdown()

    def _verdict(self, good: bool) -> str | None:
        word = _WORDS.taken()
        return None if good else word or "no answer in time"


class _LastWords(logging.Filter):
    """What was said last in this thread, where one exporter is at work. The lines stay away unless one debugs."""

    def __init__(self) -> None:
        super().__init__()
        self._here = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        if (word := _word(record.args)) is not None:
            self._here.word = word
        return logging.getLogger().isEnabledFor(logging.DEBUG)

    def taken(self) -> str | None:
        word: str | None = getattr(self._here, "word", None)
        self._here.word = None
        return word


_WORDS = _LastWords()
_SHARED = ("opentelemetry.exporter.otlp.proto.grpc.exporter", "opentelemetry.exporter.otlp.common.http")


def _word(arguments: object) -> str | None:
    """A status or the class of an error: of what servers write nothing is told."""
    for argument in arguments if isinstance(arguments, tuple) else ():
        if isinstance(argument, int) and argument in HTTPStatus._value2member_map_:
            return f"status {argument}"
        if isinstance(argument, Exception):
            return type(argument).__name__
        name = getattr(argument, "name", None)
        if isinstance(name, str) and name.isupper():
            return name
    return None
