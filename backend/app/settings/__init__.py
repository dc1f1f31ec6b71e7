"""Settings: one schema, and one precedence: defaults < file < environment < command line.

    loaded = load_settings(config=None, environ=os.environ, overrides={"server.port": 9000})
    loaded.settings.server.port          # 9000
    loaded.origins["server.port"]        # Origin(source="command line", where="--port")

docs/configuration.md is the reference for users.
"""

from app.settings.auth import AuthSettings
from app.settings.exposure import check_exposure
from app.settings.loading import LoadedSettings, load_settings
from app.settings.origins import Origin
from app.settings.problems import ConfigError, Problem
from app.settings.routing import ModelSettings, RoutingSettings, TargetSettings
from app.settings.schema import (
    FrontEndSettings,
    IntegrationSettings,
    LimitSettings,
    RetrySettings,
    ServerSettings,
    Settings,
    TimeoutSettings,
)
from app.settings.tiers import BudgetSettings, TierSettings

__all__ = [
    "AuthSettings",
    "BudgetSettings",
    "ConfigError",
    "FrontEndSettings",
    "IntegrationSettings",
    "LimitSettings",
    "LoadedSettings",
    "ModelSettings",
    "Origin",
    "Problem",
    "RetrySettings",
    "RoutingSettings",
    "ServerSettings",
    "Settings",
    "TargetSettings",
    "TierSettings",
    "TimeoutSettings",
    "check_exposure",
    "load_settings",
]
