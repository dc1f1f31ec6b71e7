"""Settings of routing: the names that callers may use, where each leads, and how a target is chosen.

What the words mean to the router: app.inference.policy. The rest of the schema: schema.py.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from app.settings.quantities import Bytes, Names, Seconds, Whole, is_time
from app.settings.section import Section

Strategy = Literal[
    "weighted", "priority", "least_busy", "lowest_latency", "cheapest", "sticky", "sticky_prefix", "auto"
]
FailureCause = Literal["timeout", "rate_limit", "auth", "server_error"]
Positive = Annotated[Whole, Field(ge=1)]


class TargetSettings(Section):
    """Where a model name leads: a model at an integration. Written short as its `target` alone."""

    target: str = Field(description="`integration/model`. A `*` takes what the `*` of the model's name stood for.")
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=1, description="Share of the requests among targets of one priority."
    )
    priority: Whole = Field(default=1, description="Lower ones are tried first.")
    max_concurrent: Positive | None = Field(
        default=None, description="Answers that it may write at the same time; others wait in a fair queue."
    )
    requests_per_minute: Positive | None = Field(
        default=None, description="Requests that it is sent within a minute, at most."
    )
    tokens_per_minute: Positive | None = Field(
        default=None, description="Tokens that it is asked and answers within a minute; full, it is left out."
    )
    context_window: Positive | None = Field(
        default=None, description="Its context in tokens, where the integration does not know better."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"target": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _names_both(self) -> "TargetSettings":
        if not self.integration or not self.model:
            raise ValueError("must be written as integration/model")
        return self

    @property
    def integration(self) -> str:
        return self.target.partition("/")[0]

    @property
    def model(self) -> str:
        """The integration's own name of the model; it may hold slashes."""
        return self.target.partition("/")[2]


class ModelTimeouts(Section):
    """What is not set here is the platform's own."""

    first_token: Annotated[Seconds, Field(gt=0)] | None = Field(
        default=None, description="Wait for the first piece of an answer, instead of `timeouts.first_token`."
    )
    idle: Annotated[Seconds, Field(gt=0)] | None = Field(
        default=None, description="Longest silence within an answer, instead of `timeouts.idle`."
    )
    total: Annotated[Seconds, Field(gt=0)] | None = Field(
        default=None, description="A whole request, instead of `timeouts.total`."
    )


class ModelCache(Section):
    """Written short as `true`, or as the time that answers are kept."""

    ttl: Annotated[Seconds, Field(gt=0)] = Field(default=600, description="How long an answer is given again.")
    shared: bool = Field(
        default=False, description="Whether one caller may be given what another one asked for and got."
    )
    coalesce: bool = Field(
        default=True, description="Whether equal requests under way at the same time are sent once."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: object) -> object:
        if value is True:
            return {}
        if isinstance(value, dict | ModelCache):
            return value
        if not (isinstance(value, int | float) or (isinstance(value, str) and is_time(value))):
            raise ValueError("must be true, false, or how long answers are kept, such as 10m")
        return {"ttl": value}


def _several(value: object) -> object:
    """One target may stand without a list around it."""
    if isinstance(value, str | dict | TargetSettings):
        return (value,)
    return value


def _off(value: object) -> object:
    return None if value is False else value


Targets = Annotated[tuple[TargetSettings, ...], BeforeValidator(_several), Field(min_length=1)]


class ModelSettings(Section):
    """A name that callers may use. Written short as its `targets` alone: one, or a list."""

    targets: Targets = Field()
    strategy: Strategy | None = Field(
        default=None, description="How a target is chosen among those of one priority; else `routing.strategy`."
    )
    retries: Annotated[Whole, Field(ge=0, le=2)] | None = Field(
        default=None, description="Further tries at its targets after a failed one; else `routing.retries`."
    )
    retries_by_cause: dict[FailureCause, Annotated[Whole, Field(ge=0, le=2)]] = Field(
        default={}, description="The same for failures of one cause: timeout, rate_limit, auth, server_error."
    )
    fallbacks: Names = Field(default=(), description="Models that answer when every target here has failed.")
    context_fallbacks: Names = Field(default=(), description="Models that answer when a prompt is too long here.")
    content_fallbacks: Names = Field(
        default=(), description="Models that answer when the provider's content policy refuses."
    )
    timeouts: ModelTimeouts = ModelTimeouts()
    hedge_after: Annotated[Seconds, Field(gt=0)] | None = Field(
        default=None, description="Silence after which a second target is asked too; the first to answer is taken."
    )
    cache: Annotated[ModelCache | None, BeforeValidator(_off)] = Field(
        default=None, description="Whether exact repetitions are answered from a cache: `true`, or `{ttl: 10m}`."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_targets(cls, value: object) -> object:
        if isinstance(value, Mapping) and "target" in value:
            return {"targets": (value,)}
        return {"targets": value} if isinstance(value, str | list | tuple) else value


class BreakerSettings(Section):
    failures: Annotated[Whole, Field(ge=0)] = Field(
        default=5, description="Failures in a row that shut a target out; 0 for never."
    )
    cooldown: Annotated[Seconds, Field(gt=0)] = Field(
        default=30, description="How long it stays out the first time; each further time that much longer."
    )
    max_cooldown: Annotated[Seconds, Field(gt=0)] = Field(
        default=300, description="The longest that it stays out."
    )


class RoutingSettings(Section):
    strategy: Strategy = Field(
        default="weighted",
        description="How a target is chosen among those of one priority, where a model does not say.",
    )
    retries: Annotated[Whole, Field(ge=0, le=2)] = Field(
        default=2,
        description="Further tries at a model's targets; with fallbacks a request has three tries at most.",
    )
    retry_budget: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.2, description="Share of a model's requests that may be tried again, beyond the first three."
    )
    fallbacks: Names = Field(
        default=(), description="Models that answer when one without fallbacks of its own has failed."
    )
    rate_limit_rest: Annotated[Seconds, Field(ge=0)] = Field(
        default=5, description="How long a target rests that refused for its rate and did not say how long."
    )
    queue_wait: Annotated[Seconds, Field(ge=0)] = Field(
        default=30, description="Longest wait for a free slot of a target with `max_concurrent`."
    )
    hedge_budget: Annotated[float, Field(ge=0, le=0.02)] = Field(
        default=0.02, description="Share of the requests that may be asked twice for the sake of `hedge_after`."
    )
    explained: Annotated[Whole, Field(ge=0)] = Field(
        default=1000, description="Requests that `llm-platform explain` can tell about, the last ones."
    )
    breaker: BreakerSettings = BreakerSettings()


class CacheSettings(Section):
    """Where answers are kept of the models that have `cache` on."""

    @model_validator(mode="before")
    @classmethod
    def _no_switch(cls, value: object) -> object:
        if isinstance(value, dict | CacheSettings):
            return value
        raise ValueError(
            "says where answers are kept (store, max_bytes); "
            "which models' answers are is said by models.<name>.cache: true"
        )

    store: Literal["memory", "redis"] = Field(
        default="memory", description="`redis` is shared by all processes and needs REDIS_URL."
    )
    max_bytes: Annotated[Bytes, Field(ge=0)] = Field(
        default=64 * 2**20, description="Largest size of the memory's cache; the least used makes room."
    )
    max_answer_bytes: Annotated[Bytes, Field(ge=0)] = Field(
        default=2**20, description="Largest answer that is kept."
    )
