"""What an operator may set for OpenTelemetry.

What is not set here is taken from OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT and so on), as its
SDK does: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import os
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from app.integrations.kit.settings import BaseUrl

Protocol = Literal["http/protobuf", "grpc"]
Instrumented = Literal["fastapi", "aiohttp", "sqlalchemy"]
_PROTOCOLS: Mapping[str, Protocol] = {"grpc": "grpc", "http/protobuf": "http/protobuf"}


def _listed(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


class OpenTelemetrySettings(BaseModel):
    """`endpoint`: where OTLP is taken, without the paths that OTLP over HTTP adds. `headers`: sent along, such as
    a key. `timeout`: of one delivery, its retries included. `sample_ratio`: the part of the traces beginning here
    that is recorded; where `follow_caller`, a caller's traceparent decides for its own. `content`: record what was
    asked and answered, the first `content_length` characters of either. `queue_size`: spans that wait at most.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: BaseUrl | None = None
    protocol: Protocol | None = None
    headers: dict[str, SecretStr] = {}
    timeout: float | None = Field(default=None, gt=0, le=60)
    service_name: str | None = Field(default=None, min_length=1)
    traces: bool = True
    sample_ratio: float | None = Field(default=None, ge=0, le=1)
    follow_caller: bool | None = None
    queue_size: int | None = Field(default=None, ge=1)
    metrics: bool = True
    metrics_interval: float = Field(default=60.0, gt=0)
    content: bool = False
    content_length: int = Field(default=8192, ge=1, le=262144)
    instrument: Annotated[tuple[Instrumented, ...], BeforeValidator(_listed)] = ()

    def protocol_of(self, signal: str) -> Protocol:
        """`signal`: TRACES or METRICS."""
        wanted = _variable(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or _variable("OTEL_EXPORTER_OTLP_PROTOCOL")
        return self.protocol or _PROTOCOLS.get(wanted, "http/protobuf")

    def sends(self, signal: str) -> bool:
        wanted = self.traces if signal == "TRACES" else self.metrics
        return wanted and _variable(f"OTEL_{signal}_EXPORTER") != "none"

    @property
    def room(self) -> int:
        """For spans that wait."""
        return self.queue_size or int(_number("OTEL_BSP_MAX_QUEUE_SIZE", 2048))

    @property
    def delay(self) -> float:
        """Seconds between two deliveries of spans."""
        return _number("OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000

    def plain_headers(self) -> dict[str, str] | None:
        """None: as the environment has it. gRPC takes lower-case names only, and HTTP does not care."""
        return {name.lower(): value.get_secret_value() for name, value in self.headers.items()} or None


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip().lower()


def _number(name: str, default: float) -> float:
    """What is no number above 0 counts as not set, as in the SDK."""
    try:
        return max(0.0, float(_variable(name) or 0)) or default
    except ValueError:
        return default
