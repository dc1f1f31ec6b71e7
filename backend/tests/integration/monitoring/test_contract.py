"""What every integration promises, of those that watch."""

from app.core.integration_framework import BaseIntegration, IntegrationContext, IntegrationManager, Registry
from app.core.siblings import Siblings
from app.domain.observing import Observable
from app.integrations.monitoring.prometheus.integration import PrometheusIntegration
from app.testing.contract import IntegrationContract
from tests.unit.integrations.prometheus.platform import Platform


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
