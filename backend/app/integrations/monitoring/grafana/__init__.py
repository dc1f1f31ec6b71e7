"""Grafana: the platform's dashboards, their folder and their data source, put there over its HTTP API."""

from app.integrations.monitoring.grafana.integration import GrafanaIntegration

__all__ = ["GrafanaIntegration"]
