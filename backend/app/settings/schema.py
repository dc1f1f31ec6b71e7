"""The one schema of the platform's settings: names, types, defaults and what each means.

Nothing here reads a file or the environment: `load_settings` does, and gives these models their values. An
integration's own `settings` are checked by that integration, whose class may not be imported before it is enabled.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from app.settings.auth import AuthSettings
from app.settings.idempotency import IdempotencySettings
from app.settings.names import way_of
from app.settings.prices import PriceSettings
from app.settings.problems import suggestion
from app.settings.quantities import Bytes, Names, Seconds, Whole, listed
from app.settings.routing import CacheSettings, ModelSettings, RoutingSettings
from app.settings.section import FaultBelow, Section
from app.settings.tiers import BudgetSettings, TierName, TierSettings
from app.settings.usage import UsageSettings

_INTEGRATION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _secret_text(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be one or more printable ASCII characters without spaces")
    return value


def _address(value: str) -> str:
    if not value or value != value.strip() or "/" in value:
        raise ValueError("must be an address or a host name such as 127.0.0.1")
    return value


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        parts = urlsplit(value)
        bare = (
            parts.scheme in {"http", "https"}
            and parts.netloc
            and not (parts.path or parts.query or parts.fragment)
        )
        if value != "*" and not bare:
            raise ValueError("must list origins such as https://app.example.org, or *")
    return values


def _integration_name(name: str) -> str:
    if not _INTEGRATION_NAME.fullmatch(name):
        raise ValueError("is no name for an integration: use letters, digits, '-', '_' and '.'")
    return name


IntegrationName = Annotated[str, AfterValidator(_integration_name)]
Port = Annotated[Whole, Field(ge=0, le=65535)]
Secret = Annotated[SecretStr, AfterValidator(_secret_text)]


class ServerSettings(Section):
    host: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1", description="Address to listen on."
    )
    port: Port = Field(default=8000, description="Port of the HTTP server; 0 takes any free one.")
    grpc_port: Port = Field(default=50051, description="Port of the gRPC server.")
    workers: Annotated[Whole, Field(ge=1, le=256)] = Field(default=1, description="Number of server processes.")
    api_key: Secret | None = Field(
        default=None, description="The key that every caller must send. Needed to listen on anything but loopback."
    )
    cors_origins: Annotated[Names, AfterValidator(_origins)] = Field(
        default=(), description="Web origins whose pages may call the platform; `*` for all."
    )
    start_seconds: Annotated[Seconds, Field(ge=0)] = Field(
        default=1,
        description="How long the start waits for integrations; slower ones come up while the platform serves.",
    )
    shutdown_seconds: Annotated[Seconds, Field(ge=0)] = Field(
        default=45, description="How long a stopping server waits for the answers under way."
    )


class LimitSettings(Section):
    body_bytes: Annotated[Bytes, Field(ge=1)] = Field(
        default=10 * 2**20, description="Largest request body; a larger one is answered with 413."
    )
    json_depth: Annotated[Whole, Field(ge=1, le=512)] = Field(
        default=64, description="Deepest nesting of objects and lists in a request."
    )
    websocket_bytes: Annotated[Bytes, Field(ge=1)] = Field(
        default=2**20, description="Largest WebSocket message; a larger one closes its socket with 1009."
    )
    header_seconds: Annotated[Seconds, Field(gt=0)] = Field(
        default=10, description="Time that a caller has to send a request's headers."
    )
    output_tokens: Annotated[Whole, Field(ge=1)] = Field(
        default=1024,
        description="Tokens that an answer is taken to have until it is over, where its request names no maximum.",
    )
    processes: Annotated[Whole, Field(ge=1)] | None = Field(
        default=None,
        description="Processes that share the limits of the tiers; each has its part while no Redis counts "
        "for all. By default `server.workers`.",
    )


class TimeoutSettings(Section):
    first_token: Annotated[Seconds, Field(gt=0)] = Field(
        default=60, description="Wait for the first piece of an answer."
    )
    idle: Annotated[Seconds, Field(gt=0)] = Field(default=300, description="Longest silence within an answer.")
    total: Annotated[Seconds, Field(gt=0)] = Field(
        default=600, description="A whole request, from its start to its end."
    )
    keep_alive_comment: Annotated[Seconds, Field(gt=0)] = Field(
        default=15, description="Silence after which a stream gets a comment, so that proxies keep it open."
    )


class FrontEndSettings(Section):
    openai_api: bool = Field(default=True, description="The OpenAI dialect under `/v1`.")
    anthropic_api: bool = Field(default=True, description="The Anthropic dialect under `/v1/messages`.")
    graphql: bool = Field(default=True, description="GraphQL under `/graphql`.")
    grpc: bool = Field(default=True, description="The gRPC server.")
    websocket: bool = Field(default=True, description="WebSockets under `/ws`.")


class RetrySettings(Section):
    max_retries: Annotated[Whole, Field(ge=0)] = Field(
        default=6, description="Tries that follow fast; 0 gives up after the first failure."
    )
    backoff_factor: Annotated[float, Field(ge=1, le=100)] = Field(
        default=2, description="How much longer each wait is than the one before."
    )
    max_backoff: Annotated[Seconds, Field(gt=0)] = Field(default=60, description="Longest wait between two tries.")


class IntegrationSettings(Section):
    """One named integration. What is not set here is left to the integration's own defaults."""

    kind: str | None = Field(
        default=None, min_length=1, description="Which integration this is; its own name by default."
    )
    enabled: bool = Field(default=True, description="Whether it is started.")
    priority: Whole = Field(default=100, description="The lower one is asked first when several know a model.")
    dependencies: Annotated[tuple[IntegrationName, ...], BeforeValidator(listed)] = Field(
        default=(), description="Names of integrations that must serve before this one starts."
    )
    settings: dict[str, Any] = Field(
        default={}, repr=False, description="The integration's own settings; see the page of that integration."
    )
    health_check_interval: Annotated[Seconds, Field(ge=0)] = Field(
        default=60, description="Time between two health checks; 0 for none."
    )
    retry_config: RetrySettings = Field(
        default=RetrySettings(), description="What happens when it does not start."
    )


def _integrations(value: object) -> object:
    """`ollama:` with nothing below it means: with its defaults."""
    if isinstance(value, dict):
        return {name: {} if each is None else each for name, each in value.items()}
    return value


class Settings(Section):
    """All settings. `Settings()` gives the defaults; `load_settings` reads what people set."""

    env: Literal["development", "production"] = Field(
        default="development", description="`production` turns off what only developers need."
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ] = Field(default="info", description="Least important message that is logged.")
    log_format: Annotated[
        Literal["auto", "text", "json"],
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
    ] = Field(default="auto", description="`auto`: text at a terminal, elsewhere JSON, an object a line.")
    data_dir: Path | None = Field(
        default=None,
        description="Folder of the files that the platform keeps; the user's own for data by default.",
    )
    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    front_ends: FrontEndSettings = FrontEndSettings()
    integrations: Annotated[dict[IntegrationName, IntegrationSettings], BeforeValidator(_integrations)] = Field(
        default={}, description="Integrations by name."
    )
    models: dict[str, ModelSettings] = Field(
        default={}, description="Names that callers may use, each with its targets."
    )
    aliases: dict[str, str] = Field(default={}, description="Further names of models: `name: model`.")
    routing: RoutingSettings = RoutingSettings()
    cache: CacheSettings = CacheSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    usage: UsageSettings = UsageSettings()
    prices: dict[str, PriceSettings] = Field(
        default={}, description="Prices of models by name, `integration/model` or a pattern with `*`."
    )
    tiers: dict[TierName, TierSettings] = Field(default={}, description="Limits of callers by name.")
    default_tier: TierName | None = Field(
        default=None, description="The tier of callers who are in no other; without it they have no limits."
    )

    budgets: dict[str, BudgetSettings] = Field(default={}, description="Money that may be spent, by name.")

    @model_validator(mode="after")
    def _spending_is_known(self) -> "Settings":
        database = self.integrations.get("database")
        if self.budgets and (not self.usage.enabled or (database is not None and not database.enabled)):
            raise FaultBelow(("budgets",), "need usage.enabled and the database, which tell what was spent")
        return self

    @model_validator(mode="after")
    def _default_is_there(self) -> "Settings":
        if self.default_tier is not None and self.default_tier not in self.tiers:
            known = suggestion(self.default_tier, list(self.tiers), "tiers")
            raise FaultBelow(("default_tier",), f"no tier {self.default_tier!r}{known}")
        return self

    @model_validator(mode="after")
    def _aliases_lead_somewhere(self) -> "Settings":
        for alias in self.aliases:
            way = way_of(alias, self.aliases, self.models)
            if way[-1] in way[:-1]:
                raise FaultBelow(("aliases", alias), f"goes in a circle: {' -> '.join(way)}")
        return self
