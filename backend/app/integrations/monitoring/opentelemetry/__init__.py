"""Traces and metrics for an OpenTelemetry Collector, or whatever else takes OTLP."""

from app.integrations.monitoring.opentelemetry.integration import OpenTelemetryIntegration

__all__ = ["OpenTelemetryIntegration"]
