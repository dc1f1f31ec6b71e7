"""Why a request went where it went, as GraphQL tells it."""

from datetime import UTC, datetime

import strawberry

from app.api.graphql.outputs import TokenUsage
from app.inference.explanation import AttemptTold, CandidateTold, Explanation, TokensTold
from app.inference.policy import ModelPolicy


@strawberry.type(description="How a model's targets are used.")
class RoutingPolicy:
    strategy: str
    retries: int
    fallbacks: list[str]
    context_fallbacks: list[str]
    content_fallbacks: list[str]
    hedge_after_seconds: float | None
    cached: bool = strawberry.field(description="Whether answers are kept.")


@strawberry.type(description="A target that the request might have gone to.")
class Candidate:
    model: str = strawberry.field(description="The name that was asked for, or one of its fallbacks.")
    target: str | None = strawberry.field(description="Null for a fallback that does not exist.")
    priority: int = strawberry.field(description="Lower ones come first.")
    score: float | None = strawberry.field(description="Among those of one priority lower ones come first.")
    excluded: str | None = strawberry.field(description="Why it could not be asked.")
    note: str | None = strawberry.field(description="What set it back.")


@strawberry.type(description="One request to a provider.")
class UpstreamAttempt:
    model: str = strawberry.field(description="The name that was asked for, or one of its fallbacks.")
    target: str
    at_ms: float = strawberry.field(description="When it was sent, from the start of the request.")
    duration_ms: float = strawberry.field(description="To the first piece of its answer, or to its failure.")
    queued_ms: float
    result: str = strawberry.field(description="answered, failed or lost.")
    hedge: bool = strawberry.field(description="Sent beside another that was silent.")
    error: str | None
    message: str | None
    dropped: list[str] = strawberry.field(description="Fields that the target could not be told.")


@strawberry.type(description="Why a request went where it went.")
class RequestExplanation:
    id: strawberry.ID
    model: str
    meant: str | None = strawberry.field(description="What the name was found to be.")
    policy: RoutingPolicy | None
    prompt: str | None = strawberry.field(description="Its length in tokens, where it might not have fitted.")
    candidates: list[Candidate]
    attempts: list[UpstreamAttempt]
    status: str
    error: str | None
    stopped: str | None = strawberry.field(description="Why it was not tried once more, where it failed.")
    cached: str | None = strawberry.field(description="hit, coalesced or replayed, where no provider was asked.")
    charged: list[str] = strawberry.field(description="The limits that it counted against.")
    usage: TokenUsage | None
    cost: float | None
    front_end: str
    operation: str
    started_at: datetime
    queued_ms: float
    first_event_ms: float | None
    duration_ms: float


def explanation_of(told: Explanation) -> RequestExplanation:
    return RequestExplanation(
        id=strawberry.ID(told.id),
        model=told.model,
        meant=told.meant,
        policy=None if told.policy is None else _policy(told.policy),
        prompt=told.prompt,
        candidates=[_candidate(each) for each in told.candidates],
        attempts=[_attempt(each) for each in told.attempts],
        status=told.outcome,
        error=told.error,
        stopped=told.stopped,
        cached=told.cached,
        charged=list(told.charged),
        usage=None if told.tokens is None else _usage(told.tokens),
        cost=told.cost,
        front_end=told.front_end,
        operation=told.operation,
        started_at=datetime.fromtimestamp(told.started_at, UTC),
        queued_ms=told.queued_ms,
        first_event_ms=told.first_event_ms,
        duration_ms=told.duration_ms,
    )


def _policy(policy: ModelPolicy) -> RoutingPolicy:
    return RoutingPolicy(
        strategy=policy.strategy,
        retries=policy.retries,
        fallbacks=list(policy.fallbacks),
        context_fallbacks=list(policy.context_fallbacks),
        content_fallbacks=list(policy.content_fallbacks),
        hedge_after_seconds=policy.hedge_after,
        cached=policy.cache is not None,
    )


def _candidate(each: CandidateTold) -> Candidate:
    return Candidate(
        model=each.model,
        target=each.target,
        priority=each.priority,
        score=each.score,
        excluded=each.excluded,
        note=each.note,
    )


def _attempt(each: AttemptTold) -> UpstreamAttempt:
    return UpstreamAttempt(
        model=each.model,
        target=each.target,
        at_ms=each.at_ms,
        duration_ms=each.ms,
        queued_ms=each.queued_ms,
        result=each.result,
        hedge=each.hedge,
        error=each.error,
        message=each.message,
        dropped=list(each.dropped),
    )


def _usage(tokens: TokensTold) -> TokenUsage:
    return TokenUsage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        total_tokens=tokens.input + tokens.output,
        cached_tokens=tokens.cached,
        cache_write_tokens=tokens.cache_write,
        reasoning_tokens=tokens.reasoning,
        estimated=tokens.estimated,
    )
