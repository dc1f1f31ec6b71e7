"""The values of the framework: how an integration is configured, and what is known of it."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.core.integration_framework.state import IntegrationState

IntegrationName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
"""Stands in model names (`integration/model`), URLs and metric labels, so its characters are few."""


class IntegrationType(StrEnum):
    """What an integration is for; people and dashboards group by it, the framework does not act on it."""

    MODEL_PLATFORM = "model_platform"
    MONITORING = "monitoring"
    API_COMPATIBILITY = "api_compatibility"
    STORAGE = "storage"
    MESSAGING = "messaging"
    SECURITY = "security"
    EXTERNAL_SERVICE = "external_service"


class RetryConfig(BaseModel):
    """What happens after IntegrationNotReady.

    The first `max_retries` retries come fast: up to 1 s, then up to `backoff_factor` times longer each. After them
    it is tried for ever, up to `max_backoff` seconds apart, so that a long outage needs nobody's hand. 0 retries
    means never: the integration is FAILED at once. Every wait is drawn between nothing and its limit.
    """

    model_config = ConfigDict(extra="forbid")

    max_retries: int = Field(default=6, ge=0)
    backoff_factor: float = Field(default=2.0, ge=1.0, le=100.0)
    max_backoff: float = Field(default=60.0, gt=0.0)


class IntegrationConfig(BaseModel):
    """One integration as an operator wants it. Two are equal when every field is.

    `kind`: the class to run, as the registry names it; by default the integration's own name. Several integrations
    may share a kind. `priority`: lower comes first wherever several integrations could serve.
    `dependencies`: names of integrations that must serve first. `settings`: the plugin's own, checked by it.
    `health_check_interval`: seconds, 0 for no checks.
    """

    model_config = ConfigDict(extra="forbid")

    name: IntegrationName
    type: IntegrationType = IntegrationType.EXTERNAL_SERVICE
    kind: str | None = None
    enabled: bool = True
    priority: int = 100
    dependencies: list[IntegrationName] = []
    settings: dict[str, Any] = {}
    health_check_interval: float = Field(default=60.0, ge=0.0)
    retry_config: RetryConfig = RetryConfig()

    @property
    def effective_kind(self) -> str:
        return self.kind or self.name


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """The longest that the framework waits for a plugin, in seconds."""

    load: float = 60.0
    initialize: float = 30.0
    health_check: float = 10.0
    shutdown: float = 10.0


class HealthThresholds(msgspec.Struct, frozen=True, kw_only=True):
    """How many checks in a row it takes: bad ones to be DEGRADED, unhealthy ones to be given up, good ones to
    be READY again.
    """

    degraded_after: int = 3
    unavailable_after: int = 6
    recovered_after: int = 2


class HealthStatus(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class HealthReport(msgspec.Struct, frozen=True):
    """What a health check found. `message` is for people; `details` for machines, and holds no secret."""

    status: HealthStatus = HealthStatus.HEALTHY
    message: str = ""
    details: dict[str, Any] = {}


class LastCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The last health check: `at` in Unix seconds, how long it took, whether it was healthy, and what it told."""

    at: float
    latency_ms: float
    ok: bool
    message: str = ""
    details: dict[str, Any] = {}


class IntegrationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to tell about one integration at one moment. Times are Unix seconds.

    `attempts`: failed tries in a row. `next_retry_at`: set while RETRYING.
    """

    name: str
    type: IntegrationType
    kind: str
    state: IntegrationState
    reason: str
    since: float
    priority: int
    attempts: int = 0
    next_retry_at: float | None = None
    dependencies: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    last_check: LastCheck | None = None
