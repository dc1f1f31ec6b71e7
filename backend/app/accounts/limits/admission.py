"""Who may ask now: tiers and what they allow, and budgets."""

import asyncio
from collections.abc import Awaitable

from app.accounts.limits.budgets import Budgets
from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.domain.limits import Estimate, Reservation, Tier
from app.domain.principal import Principal


class Admission:
    """Satisfies app.domain.limits.Admission. `tiers` may be exchanged at any time."""

    def __init__(self, tiers: Tiers, limits: SharedLimits, budgets: Budgets | None = None) -> None:
        self.tiers = tiers
        self.limits = limits
        self.budgets = budgets
        self._task: asyncio.Task[None] | None = None

    def check_budgets(self, principal: Principal) -> None:
        if self.budgets is not None and self.budgets.budgets:
            self.budgets.check(principal)

    def tier_of(self, principal: Principal) -> Tier | None:
        return self.tiers.of(principal)

    def reserve(self, principal: Principal, tier: Tier, estimate: Estimate) -> Awaitable[Reservation]:
        return self.limits.reserve(principal.holder, tier.rates, estimate)

    def start(self) -> None:
        if self.budgets is not None:
            self._task = asyncio.create_task(self.budgets.families.keep_up())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self.limits.close()
