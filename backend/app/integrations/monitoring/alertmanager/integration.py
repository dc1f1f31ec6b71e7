"""Alertmanager as an integration: what alerts there are, silences, and the platform's own alerts where it must.

    board = manager.get_integration("alertmanager")
    for alert in await board.alerts(): ...

Nothing waits for it but who asks for alerts.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from app.core.clock import Clock, SystemClock
from app.core.integration_framework import (
    BaseIntegration,
    HealthReport,
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationManager,
    StateChanged,
    UnknownIntegration,
)
from app.domain.alerts import Alert, NewSilence, Silence
from app.domain.errors import PlatformError, UpstreamAuthFailed, UpstreamUnavailable
from app.domain.limits import BudgetReached
from app.integrations.monitoring.alertmanager.client import Client
from app.integrations.monitoring.alertmanager.own import OwnAlerts
from app.integrations.monitoring.alertmanager.settings import AlertmanagerSettings

PUSH_SECONDS = 15.0
"""How often what lasts is told again."""

logger = logging.getLogger(__name__)


class AlertmanagerIntegration(BaseIntegration):
    """Satisfies AlertBoard."""

    settings_model = AlertmanagerSettings
    settings: AlertmanagerSettings
    busy = False

    def __init__(self, config: IntegrationConfig, clock: Clock | None = None) -> None:
        super().__init__(config)
        self._clock = clock or SystemClock()
        self._client: Client | None = None
        self._last: tuple[Alert, ...] = ()
        self._pushing: _Pushing | None = None

    async def initialize(self) -> None:
        """Raises IntegrationConfigError, IntegrationAuthFailed, and UpstreamError while it does not answer."""
        try:
            client = self._client = Client(self.name, self.settings)
        except ValueError as error:
            raise IntegrationConfigError(f"settings: {error}") from None
        try:
            await client.status()
        except UpstreamAuthFailed as error:
            raise IntegrationAuthFailed(f"{error.message} Set settings.api_key, or headers.") from None
        await self._look(client)
        if self.settings.push:
            manager = self.context.resource(IntegrationManager)
            own = OwnAlerts(self._clock, self.settings.push_after, self.settings.labels)
            self._pushing = _Pushing(self.name, client, own, manager, self._clock)

    async def health_check(self) -> HealthReport:
        """Looks at the alerts, too, so that `last_alerts` is never older than the time between two checks."""
        client = self._there()
        status = await client.status()
        alerts = await self._look(client)
        details = {
            "version": status.version_info.version,
            "cluster": status.cluster.status,
            "alerts": len(alerts),
            "suppressed": sum(each.state == "suppressed" for each in alerts),
        }
        return HealthReport(details=details)

    async def shutdown(self) -> None:
        pushing, self._pushing = self._pushing, None
        if pushing is not None:
            await pushing.close()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def last_alerts(self) -> Sequence[Alert]:
        return self._last

    async def alerts(self) -> Sequence[Alert]:
        return await self._look(self._there())

    async def silences(self) -> Sequence[Silence]:
        return await self._there().silences()

    async def silence(self, wanted: NewSilence, by: str) -> Silence:
        now = self._clock.now()
        id = await self._there().silence(wanted, by, now)
        return Silence(
            id=id,
            state="active",
            matchers=wanted.matchers,
            starts_at=now,
            ends_at=now + wanted.seconds,
            created_by=by,
            comment=wanted.comment,
        )

    async def expire(self, id: str) -> None:
        await self._there().expire(id)

    async def _look(self, client: Client) -> tuple[Alert, ...]:
        found = await client.alerts()
        if found != self._last:
            self._last = found
        return found

    def _there(self) -> Client:
        if self._client is None:
            raise UpstreamUnavailable(f"'{self.name}' is stopped.", provider=self.name)
        return self._client


class _Pushing:
    """Hears what happens, and tells Alertmanager. What it could not be told is told the next time."""

    def __init__(
        self, name: str, client: Client, own: OwnAlerts, manager: IntegrationManager, clock: Clock
    ) -> None:
        self._name = name
        self._client = client
        self._own = own
        self._manager = manager
        self._clock = clock
        self._well = True
        self._stops: list[Callable[[], None]] = [
            manager.events.subscribe(StateChanged, self._state_changed),
            manager.events.subscribe(BudgetReached, own.budget),
        ]
        for status in manager.status():
            self._state_changed(StateChanged(name=status.name, old=status.state, new=status.state))
        self._task = asyncio.create_task(self._push())

    async def close(self) -> None:
        for stop in self._stops:
            stop()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _state_changed(self, event: StateChanged) -> None:
        if event.name == self._name:
            return  # that it is down is nothing that it could be told
        try:
            kind = self._manager.status_of(event.name).type
        except UnknownIntegration:
            self._own.over(event.name)  # a reload has removed it
        else:
            self._own.integration(event, kind)

    async def _push(self) -> None:
        while True:
            if due := self._own.due():
                try:
                    await self._client.push(due)
                    self._well = True
                except PlatformError as error:
                    self._tell(error)
                except Exception:
                    logger.exception("%s: defect in telling of alerts", self._name)
            await self._clock.sleep(PUSH_SECONDS)

    def _tell(self, error: PlatformError) -> None:
        if self._well:
            self._well = False
            logger.warning("%s: the platform's own alerts are not told: %s", self._name, error)
