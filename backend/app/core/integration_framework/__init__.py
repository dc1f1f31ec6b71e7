"""The integration framework: what an integration is, and how a platform runs many of them.

A plugin needs BaseIntegration, IntegrationConfig, HealthReport and the errors; everything else is for whoever
runs plugins. The specification is BaseIntegration's docstring; the states are in state.py.
"""

from app.core.integration_framework.base import BaseIntegration, NoSettings
from app.core.integration_framework.context import IntegrationContext
from app.core.integration_framework.discovery import ENTRY_POINT_GROUP, Reference, Registry
from app.core.integration_framework.errors import (
    IntegrationAuthFailed,
    IntegrationConfigError,
    IntegrationDisabled,
    IntegrationError,
    IntegrationNotLoaded,
    IntegrationNotReady,
    MissingResource,
    NoIntegrationManager,
    UnknownIntegration,
)
from app.core.integration_framework.events import EventPublisher, HealthChecked, StateChanged
from app.core.integration_framework.manager import IntegrationManager
from app.core.integration_framework.reconfigure import Reconfiguration
from app.core.integration_framework.runtime import get_integration_manager, set_integration_manager
from app.core.integration_framework.state import TRANSITIONS, IntegrationState, state_diagram
from app.core.integration_framework.types import (
    HealthReport,
    HealthStatus,
    HealthThresholds,
    IntegrationConfig,
    IntegrationStatus,
    IntegrationType,
    LastCheck,
    RetryConfig,
    Timeouts,
)

__all__ = [
    "ENTRY_POINT_GROUP",
    "TRANSITIONS",
    "BaseIntegration",
    "EventPublisher",
    "HealthChecked",
    "HealthReport",
    "HealthStatus",
    "HealthThresholds",
    "IntegrationAuthFailed",
    "IntegrationConfig",
    "IntegrationConfigError",
    "IntegrationContext",
    "IntegrationDisabled",
    "IntegrationError",
    "IntegrationManager",
    "IntegrationNotLoaded",
    "IntegrationNotReady",
    "IntegrationState",
    "IntegrationStatus",
    "IntegrationType",
    "LastCheck",
    "MissingResource",
    "NoIntegrationManager",
    "NoSettings",
    "Reconfiguration",
    "Reference",
    "Registry",
    "RetryConfig",
    "StateChanged",
    "Timeouts",
    "UnknownIntegration",
    "get_integration_manager",
    "set_integration_manager",
    "state_diagram",
]
