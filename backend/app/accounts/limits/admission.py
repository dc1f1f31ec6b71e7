"""Who may ask now: tiers and what they allow."""

from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.domain.limits import Estimate, Reservation, Tier
from app.domain.principal import Principal


class Admission:
    """Satisfies app.domain.limits.Admission. `tiers` may be exchanged at any time."""

    def __init__(self, tiers: Tiers, limits: SharedLimits) -> None:
        self.tiers = tiers
        self.limits = limits

    def tier_of(self, principal: Principal) -> Tier | None:
        return self.tiers.of(principal)

    async def reserve(self, principal: Principal, tier: Tier, estimate: Estimate) -> Reservation:
        return await self.limits.reserve(principal.holder, tier.rates, estimate)
