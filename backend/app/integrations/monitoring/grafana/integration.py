"""Grafana as an integration: at its start, and whenever Grafana has lost it, everything is put there that is
missing.

Nothing else of the platform depends on it.
"""

import logging

from app.core.integration_framework import (
    BaseIntegration,
    HealthReport,
    HealthStatus,
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationNotReady,
)
from app.domain.errors import Conflict, UpstreamAuthFailed
from app.integrations.monitoring.dashboards import DASHBOARDS
from app.integrations.monitoring.grafana import provisioning
from app.integrations.monitoring.grafana.client import Client, Refused
from app.integrations.monitoring.grafana.settings import GrafanaSettings

logger = logging.getLogger(__name__)


class GrafanaIntegration(BaseIntegration):
    settings_model = GrafanaSettings
    settings: GrafanaSettings
    busy = False

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self._client: Client | None = None
        self._lacks: str | None = None

    async def initialize(self) -> None:
        """Raises IntegrationConfigError, IntegrationAuthFailed, and UpstreamError while it does not answer."""
        try:
            client = self._client = Client(self.name, self.settings)
        except ValueError as error:
            raise IntegrationConfigError(f"settings: {error}") from None
        await client.health()
        await self._provide(client)

    async def health_check(self) -> HealthReport:
        """A Grafana that was set up anew gets everything again."""
        if (client := self._client) is None:
            raise IntegrationNotReady("not started")
        health = await client.health()
        if await client.folder(provisioning.UID) is None:
            await self._provide(client)
        details = {"version": str(health.get("version", "")), "dashboards": len(DASHBOARDS)}
        if health.get("database") != "ok":
            return HealthReport(HealthStatus.DEGRADED, "Grafana's database is not well", details)
        if self._lacks is not None:
            return HealthReport(HealthStatus.DEGRADED, self._lacks, details)
        return HealthReport(details=details)

    async def shutdown(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _provide(self, client: Client) -> None:
        """The dashboards are worth having without the data source, which wants a right of its own."""
        done = provisioning.Done()
        try:
            await provisioning.provide_folder(client, self.settings.folder, done)
            self._lacks = await self._provide_data_source(client, done)
            for dashboard in DASHBOARDS.values():
                wanted = dashboard if self.settings.prometheus_url is None else provisioning.aimed(dashboard)
                await provisioning.provide_dashboard(client, wanted, done)
        except Refused as refused:
            raise IntegrationAuthFailed(f"{refused.message} {_ADVICE}") from None
        except Conflict as taken:
            raise IntegrationConfigError(taken.message) from None
        except UpstreamAuthFailed as error:
            raise IntegrationAuthFailed(f"{error.message} Set settings.api_key to a service account's.") from None
        if done.written:
            logger.info("%s: written: %s", self.name, ", ".join(done.written))

    async def _provide_data_source(self, client: Client, done: provisioning.Done) -> str | None:
        """What is lacking for it."""
        if self.settings.prometheus_url is None:
            return None
        try:
            await provisioning.provide_data_source(client, self.settings.prometheus_url, done)
        except Refused as refused:
            told = f"the data source is not made: the service account lacks {refused.permission}"
            logger.warning("%s: %s", self.name, told)
            return told
        return None


_ADVICE = "Give it the role Editor, or that permission alone."
