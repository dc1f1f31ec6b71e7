"""What every integration promises, of those that watch."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from app.core.integration_framework import BaseIntegration, IntegrationContext, IntegrationManager, Registry
from app.core.siblings import Siblings
from app.domain.observing import Observable
from app.integrations.monitoring.alertmanager.integration import AlertmanagerIntegration
from app.integrations.monitoring.prometheus.integration import PrometheusIntegration
from app.testing.contract import IntegrationContract
from tests.servers.alertmanager_fake import AlertmanagerFake, alertmanager_fake
from tests.unit.integrations.prometheus.platform import Platform


@pytest_asyncio.fixture
async def board() -> AsyncIterator[AlertmanagerFake]:
    async with alertmanager_fake() as fake:
        yield fake


class TestAlertmanager(IntegrationContract):
    integration = AlertmanagerIntegration
    bad_settings = ({"url": "no address"}, {"timeout": 0}, {"labels": {"a-b": "c"}}, {"nonsense": True})
    unready_settings = {"url": "http://127.0.0.1:9"}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _there(self, board: AlertmanagerFake) -> None:
        self.url = board.url

    def good_settings(self) -> Mapping[str, Any]:
        return {"url": self.url, "push": True}

    def build(self) -> BaseIntegration:
        integration = super().build()
        integration.context = IntegrationContext(resources={IntegrationManager: IntegrationManager(Registry({}))})
        return integration


class TestPrometheus(IntegrationContract):
    integration = PrometheusIntegration
    bad_settings = ({"tenants": -1}, {"nonsense": True})

    def build(self) -> BaseIntegration:
        integration = super().build()
        resources = {
            IntegrationManager: IntegrationManager(Registry({})),
            Observable: Platform(),
            Siblings: Siblings(),
        }
        integration.context = IntegrationContext(resources=resources)
        return integration
