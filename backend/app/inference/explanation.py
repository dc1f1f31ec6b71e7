"""Why a request went where it went, told from its record: for people who ask afterwards. Pure data.

Neither prompts nor answers are in it, nor secrets: it holds names, figures, and the words of errors.
"""

import msgspec

from app.domain.calls import Tried
from app.domain.usage import Usage
from app.inference.call import Considered
from app.inference.policy import ModelPolicy
from app.inference.stages.account import CallRecord


class CandidateTold(msgspec.Struct, frozen=True, kw_only=True):
    """A target that the request might have gone to, for `model`: the name that was asked for, or a fallback of it.

    Lower ones of `priority` come first, and among equals those of a lower `score`. `excluded`: why it could not be
    asked. `note`: what set it back, whatever its score. `target` is null for a fallback that does not exist.
    """

    model: str
    target: str | None
    priority: int
    score: float | None
    excluded: str | None
    note: str | None


class AttemptTold(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream request, sent `at_ms` after the request began, once it had waited `queued_ms` for a place.

    `result`: answered, failed, or lost (another one, sent beside it, answered first). `ms`: to the first piece of
    the answer, to all of one that does not stream, or to the failure. `dropped`: fields of the request that this
    target could not be told. `hedge`: it was sent beside another that was silent.
    """

    model: str
    target: str
    at_ms: float
    ms: float
    queued_ms: float
    result: str
    hedge: bool
    error: str | None
    message: str | None
    dropped: tuple[str, ...]


class TokensTold(msgspec.Struct, frozen=True, kw_only=True):
    """`input` includes `cached` and `cache_write`, `output` includes `reasoning`. `estimated`: counted by the
    platform, where the provider did not tell.
    """

    input: int
    output: int
    cached: int
    cache_write: int
    reasoning: int
    estimated: bool


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """One request that has ended.

    `model` is the name that was asked for, and `meant` what it was found to be, with its `policy` (times in
    seconds). `candidates`: the targets in the order of their choice, then those that were excluded; first the
    model's own, then those of each fallback that was looked at. A model's only target has no score. `attempts`: in
    the order in which they were sent, the one that answered last. `prompt`: its length in tokens, where it was
    looked at because it might not fit.

    `outcome`: ok, cancelled, or the kind of the error. `stopped`: why it was not tried once more, where it
    failed. `cached`: hit, coalesced or replayed, where no provider was asked. `charged`: the limits that it
    counted against. `cost` in US dollars, null where no price is known. `started_at` in Unix seconds.
    """

    id: str
    started_at: float
    front_end: str
    operation: str
    stream: bool
    principal: str
    key: str | None
    team: str | None
    tier: str | None
    model: str
    meant: str | None
    policy: ModelPolicy | None
    prompt: str | None
    candidates: tuple[CandidateTold, ...]
    attempts: tuple[AttemptTold, ...]
    outcome: str
    error: str | None
    stopped: str | None
    cached: str | None
    charged: tuple[str, ...]
    tokens: TokensTold | None
    cost: float | None
    queued_ms: float
    first_event_ms: float | None
    duration_ms: float


def explain(record: CallRecord, started_at: float) -> Explanation:
    prompt = record.prompt
    return Explanation(
        id=record.id,
        started_at=started_at,
        front_end=record.front_end,
        operation=record.operation,
        stream=record.stream,
        principal=record.principal,
        key=record.key,
        team=record.team,
        tier=record.tier,
        model=record.model,
        meant=record.meant,
        policy=record.policy,
        prompt=None if prompt is None else prompt.told(record.target_model or ""),
        candidates=tuple(_candidate(each) for each in (*record.considered, *_alone(record))),
        attempts=tuple(_attempt(tried) for tried in record.tried),
        outcome=record.outcome,
        error=record.error,
        stopped=record.stopped,
        cached=record.cached,
        charged=record.charged,
        tokens=None if record.usage is None else _tokens(record.usage),
        cost=record.cost,
        queued_ms=_ms(sum(tried.waited for tried in record.tried)),
        first_event_ms=None if record.first_event_seconds is None else _ms(record.first_event_seconds),
        duration_ms=_ms(record.seconds),
    )


def _alone(record: CallRecord) -> list[Considered]:
    """Where a model has one target there was no choice to note."""
    noted = {(each.name, each.integration, each.model) for each in record.considered}
    tried = dict.fromkeys((each.name, each.integration, each.model) for each in record.tried)
    return [Considered(*each) for each in tried if each not in noted]


def _candidate(each: Considered) -> CandidateTold:
    return CandidateTold(
        model=each.name,
        target=f"{each.integration}/{each.model}" if each.integration else None,
        priority=each.priority,
        score=each.score,
        excluded=each.excluded,
        note=each.note,
    )


def _attempt(tried: Tried) -> AttemptTold:
    return AttemptTold(
        model=tried.name,
        target=f"{tried.integration}/{tried.model}",
        at_ms=_ms(tried.at),
        ms=_ms(tried.seconds),
        queued_ms=_ms(tried.waited),
        result="failed" if tried.failure else "lost" if tried.lost else "answered",
        hedge=tried.hedge,
        error=tried.failure,
        message=tried.message,
        dropped=tuple(sorted(set(tried.dropped))),
    )


def _tokens(usage: Usage) -> TokensTold:
    return TokensTold(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cached=usage.cached_tokens,
        cache_write=usage.cache_write_tokens,
        reasoning=usage.reasoning_tokens,
        estimated=usage.estimated,
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
