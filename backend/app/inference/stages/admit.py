"""May this caller ask now? Budgets are looked at; the limits of the caller's tier are taken from before, by an
estimate, and settled at the end.

It stands before the guard and the cache: what is counted is what callers ask for, whoever answers it.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import msgspec

from app.domain.errors import ModelNotFound, PermissionDenied, RateLimited
from app.domain.events import EventStream
from app.domain.limits import Admission, Estimate, Reservation, Tier
from app.domain.usage import Usage
from app.inference.call import Call
from app.inference.catalog import LiveCatalog
from app.inference.estimate import estimate, settled


class Admit:
    """`output_tokens`: what an answer is taken to have whose request names no maximum."""

    def __init__(
        self, admission: Admission, output_tokens: Callable[[], int], catalog: LiveCatalog | None = None
    ) -> None:
        self._admission = admission
        self._catalog = catalog
        self._output_tokens = output_tokens
        self._charged: dict[str, tuple[Tier, tuple[str, ...]]] = {}

    async def __call__(self, call: Call, proceed: Callable[[Call], Awaitable[EventStream]]) -> EventStream:
        """Raises RateLimited, BudgetExceeded, PermissionDenied."""
        try:
            await self._admit(call)
        except RateLimited:
            self._name(call)
            raise
        return await proceed(call)

    async def _admit(self, call: Call) -> None:
        if call.known is None:  # what was paid for is given again, whatever was spent since
            self._admission.check_budgets(call.principal)
        tier = self._admission.tier_of(call.principal)
        if tier is None:
            return
        check_tier(tier, call.model)
        if call.principal.tier != tier.name or call.principal.rank != tier.priority:
            call.principal = msgspec.structs.replace(call.principal, tier=tier.name, rank=tier.priority)
        if tier.rates:
            expected = estimate(call, self._output_tokens()) if call.known is None else Estimate(0, 0)
            reservation = await self._admission.reserve(call.principal, tier, expected)
            call.standings = reservation.standings
            call.charged = self._names(tier)
            call.at_end.append(partial(_settle, call, reservation, expected))

    def _name(self, call: Call) -> None:
        """Nobody else looks up what the name means of a call that is refused here."""
        if self._catalog is not None:
            with suppress(ModelNotFound):
                entry = self._catalog.current.entry(call.model)
                call.meant, call.policy = entry.meant_by(call.model), entry.policy

    def _names(self, tier: Tier) -> tuple[str, ...]:
        """Made once for each tier."""
        known = self._charged.get(tier.name)
        if known is None or known[0] is not tier:
            known = self._charged[tier.name] = (tier, tuple(f"{tier.name}: {rate.name}" for rate in tier.rates))
        return known[1]


def check_tier(tier: Tier, model: str) -> None:
    """Raises PermissionDenied."""
    if not tier.may_use(model):
        raise PermissionDenied(
            f"The tier '{tier.name}' may not use the model '{model[:200]}'.",
            code="model_not_allowed",
            param="model",
        )


def _settle(
    call: Call, reservation: Reservation, expected: Estimate, error: BaseException | None, usage: Usage | None
) -> None:
    reservation.settle(settled(expected, error, usage, bool(call.attempts)))
