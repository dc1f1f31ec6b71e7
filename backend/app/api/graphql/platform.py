"""The platform itself as GraphQL shows it: its integrations and how they hang together, figures, past requests."""

from datetime import datetime

import strawberry

from app.api.graphql.request import Asking
from app.api.graphql.scalars import Count, moment
from app.core.integration_framework import IntegrationState, IntegrationStatus, IntegrationType, LastCheck
from app.inference.recent import RecentCall
from app.inference.tally import Figures, ModelFigures

strawberry.enum(IntegrationState, description="Only READY and DEGRADED serve.")
strawberry.enum(IntegrationType)


@strawberry.type(description="The last health check.")
class HealthCheck:
    at: datetime
    latency_ms: float
    ok: bool
    message: str


@strawberry.type(description="A part of the platform that is started, watched and stopped by itself.")
class Integration:
    name: str
    type: IntegrationType
    kind: str = strawberry.field(description="Which integration it is; several may be of one kind.")
    state: IntegrationState
    reason: str = strawberry.field(description="Why it is in that state; empty where nothing needs saying.")
    since: datetime = strawberry.field(description="When it came into that state.")
    priority: int = strawberry.field(description="The lower one is asked first where several could serve.")
    attempts: int = strawberry.field(description="Failed starts in a row.")
    next_retry_at: datetime | None = strawberry.field(description="Set while it is RETRYING.")
    last_check: HealthCheck | None
    status: strawberry.Private[IntegrationStatus]

    # What must serve before it starts, and what waits for it: the edges of the graph, followed as far as asked.
    @strawberry.field
    def dependencies(self, info: Asking) -> list["Integration"]:
        return _named(info, self.status.dependencies)

    @strawberry.field
    def dependents(self, info: Asking) -> list["Integration"]:
        return _named(info, self.status.dependents)


def integration_of(status: IntegrationStatus) -> Integration:
    return Integration(
        name=status.name,
        type=status.type,
        kind=status.kind,
        state=status.state,
        reason=status.reason,
        since=moment(status.since),
        priority=status.priority,
        attempts=status.attempts,
        next_retry_at=None if status.next_retry_at is None else moment(status.next_retry_at),
        last_check=None if status.last_check is None else _check(status.last_check),
        status=status,
    )


def _check(check: LastCheck) -> HealthCheck:
    return HealthCheck(at=moment(check.at), latency_ms=check.latency_ms, ok=check.ok, message=check.message)


def _named(info: Asking, names: tuple[str, ...]) -> list[Integration]:
    """Those that there are: a dependency may name what nobody has configured."""
    manager = info.context.api.manager
    there = set(manager.names())
    return [integration_of(manager.status_of(name)) for name in names if name in there]


@strawberry.type(description="Counted over the requests that ended, through all protocols, since the start.")
class ModelMetrics:
    model: str = strawberry.field(description="As it was asked for. `other` for names that no model has.")
    requests: Count
    errors: Count = strawberry.field(description="Without those that their caller cancelled.")
    cancelled: Count
    input_tokens: Count
    output_tokens: Count
    seconds: float = strawberry.field(description="The durations of all of them, added up.")


@strawberry.type(description="The figures of this process since it started.")
class Metrics:
    since: datetime
    at: datetime
    active: int = strawberry.field(description="Requests under way, which the other figures do not hold yet.")
    total: ModelMetrics
    models: list[ModelMetrics]


def metrics_of(figures: Figures) -> Metrics:
    return Metrics(
        since=moment(figures.since),
        at=moment(figures.at),
        active=figures.active,
        total=_model_metrics("total", figures.total),
        models=[_model_metrics(name, each) for name, each in figures.models.items()],
    )


def _model_metrics(name: str, figures: ModelFigures) -> ModelMetrics:
    return ModelMetrics(
        model=name,
        requests=Count(figures.requests),
        errors=Count(figures.errors),
        cancelled=Count(figures.cancelled),
        input_tokens=Count(figures.input_tokens),
        output_tokens=Count(figures.output_tokens),
        seconds=figures.seconds,
    )


@strawberry.type(description="A request for generation or embedding that has ended, through whatever protocol.")
class GenerationRequest:
    id: strawberry.ID
    model: str
    operation: str = strawberry.field(description="chat, text_completion, embeddings or rerank.")
    status: str = strawberry.field(description="ok, cancelled, or an error's code in small letters.")
    provider: str | None = strawberry.field(description="The integration that was asked last.")
    front_end: str
    attempts: int
    cached: str | None = strawberry.field(description="hit, coalesced or replayed, where no provider was asked.")
    started_at: datetime
    duration_ms: float
    first_event_ms: float | None = strawberry.field(description="From the start to the first piece of the answer.")
    tokens: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None = strawberry.field(description="In US dollars; null where no price is known.")


def request_of(call: RecentCall) -> GenerationRequest:
    record, usage = call.record, call.record.usage
    first = record.first_event_seconds
    return GenerationRequest(
        id=strawberry.ID(record.id),
        model=record.model,
        operation=record.operation,
        status=record.outcome,
        provider=record.integration,
        front_end=record.front_end,
        attempts=record.attempts,
        cached=record.cached,
        started_at=moment(call.started_at),
        duration_ms=record.seconds * 1000,
        first_event_ms=None if first is None else first * 1000,
        tokens=usage.total_tokens if usage else None,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        cost=record.cost,
    )
