"""Calls that are counted alike, and the places where."""

from collections.abc import Callable
from typing import NamedTuple

from app.domain.calls import EndedCall
from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.labels import CACHE, NONE, OTHER, Labels

CALLER, LIMIT, PLATFORM = "caller", "limit", "platform"

_CALLERS = frozenset(
    {
        *("invalid_argument", "out_of_range", "unimplemented", "not_found", "permission_denied"),
        *("unauthenticated", "already_exists", "aborted"),
    }
)


class Sort(NamedTuple):
    """The values of a call's labels. `convention`: the provider as OpenTelemetry names it. `target`: the model as
    the provider has it.
    """

    model: str
    provider: str
    operation: str
    front_end: str
    status: str
    fault: str
    tenant: str
    convention: str
    target: str

    @classmethod
    def of(cls, call: EndedCall, labels: Labels) -> "Sort":
        return cls(
            model=labels.model(call),
            provider=labels.provider(call),
            operation=call.operation,
            front_end=call.front_end,
            status=call.outcome,
            fault=fault(call),
            tenant=labels.tenant(call),
            convention=labels.convention(call),
            target=labels.target(call),
        )

    @classmethod
    def rest(cls) -> "Sort":
        """Of calls for whose own there is no place."""
        return cls(OTHER, OTHER, OTHER, OTHER, OTHER, "", OTHER, OTHER, OTHER)


def fault(call: EndedCall) -> str:
    """Whose: the caller's, a limit's that the caller reached, or the platform's, with its providers. Empty where
    nothing failed.
    """
    if call.outcome in {"ok", "cancelled"}:
        return ""
    if call.outcome == "resource_exhausted" and not call.attempts:
        return LIMIT
    return CALLER if call.outcome in _CALLERS else PLATFORM


class Places:
    """Where on the shelf calls of one sort are counted. `asked`: a provider was, so there is a place for what
    begins with `gen`, the first token and each token. `odd`: there is more to count than of others.
    """

    __slots__ = (
        *("answered", "asked", "cost", "duration", "error", "first_token", "gen_duration", "gen_input"),
        *("gen_output", "input", "odd", "output", "per_token", "requests", "tokens"),
    )

    def __init__(self, place: Callable[..., int], sort: Sort) -> None:
        """`place` finds one on the shelf. Raises Full."""
        model, provider, operation = sort.model, sort.provider, sort.operation
        self.requests = place(
            families.REQUESTS, model, provider, operation, sort.front_end, sort.status, sort.tenant
        )
        self.duration = place(families.DURATION, model, provider, operation)
        self.error: int | None = None
        if sort.fault:
            self.error = place(families.ERRORS, model, provider, operation, sort.status, sort.fault)
        self.tokens = (model, provider, sort.tenant)
        self.input = place(families.TOKENS, *self.tokens, "input")
        self.output = place(families.TOKENS, *self.tokens, "output")
        self.cost = place(families.COST, *self.tokens)
        self.asked = provider not in {NONE, CACHE}
        self.odd = bool(sort.fault) or not self.asked
        self.answered = self.gen_duration = self.gen_input = self.gen_output = 0
        self.first_token = self.per_token = 0
        if self.asked:
            self._place_asked(place, sort)

    def _place_asked(self, place: Callable[..., int], sort: Sort) -> None:
        self.answered = place(families.ATTEMPTS, sort.provider, "ok")
        labels = (sort.operation, sort.convention, sort.model, sort.target, sort.target)
        self.gen_duration = place(families.GEN_AI_DURATION, *labels, sort.status if sort.fault else "")
        self.gen_input = place(families.GEN_AI_TOKENS, *labels, "input")
        self.gen_output = place(families.GEN_AI_TOKENS, *labels, "output")
        self.first_token = place(families.GEN_AI_FIRST_TOKEN, *labels)
        self.per_token = place(families.GEN_AI_PER_TOKEN, *labels)
