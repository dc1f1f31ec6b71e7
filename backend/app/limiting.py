"""From the settings of tiers and budgets to what the platform limits by."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

from app.accounts.accounts import Accounts
from app.accounts.allowances.book import Configured
from app.accounts.allowances.schemas import Kind
from app.accounts.limits.admission import Admission
from app.accounts.limits.budgets import Budgets
from app.accounts.limits.families import Families
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.accounts.usage.ledger import Ledger
from app.accounts.usage.schemas import NANOS
from app.domain.limits import Budget, Rate, Tier
from app.settings import BudgetSettings, LoadedSettings, Settings, TierSettings
from app.settings.origins import written


def admission(
    loaded: LoadedSettings, accounts: Accounts, ledger: Ledger | None, publish: Callable[[object], None]
) -> Admission:
    """Without a ledger there are no budgets, which the settings have seen to."""
    settings = loaded.settings
    held: Budgets | None = None

    async def paths() -> Iterable[str]:
        """Asked only where somebody wants to know."""
        if held is None or not any(budget.scope == "key" for budget in held.budgets):
            return ()
        rows = await asyncio.to_thread(import_module, "app.accounts.keys.repository")
        async with accounts.store.reading() as connection:
            found: list[str] = await rows.paths(connection)
        return found

    if ledger is not None:
        held = Budgets(ledger.spending, Families(paths), publish)
    made = Admission(Tiers(), SharedLimits(MemoryLimits(share(settings))), held)
    accounts.allowances.serve(made, configured(loaded))
    return made


def configured(loaded: LoadedSettings) -> Configured:
    settings = loaded.settings
    kinds: Mapping[Kind, str] = {"tier": "tiers", "budget": "budgets"}
    return Configured(
        tiers={name: _tier(name, each) for name, each in settings.tiers.items()},
        budgets={name: _budget(name, each) for name, each in settings.budgets.items()},
        default_tier=settings.default_tier,
        places={
            (kind, name): loaded.origin(written((section, name))).where
            for kind, section in kinds.items()
            for name in getattr(settings, section)
        },
    )


def share(settings: Settings) -> float:
    """The part of each limit that is one process's where nobody counts for all."""
    return 1 / (settings.limits.processes or settings.server.workers)


def told_of_shares(settings: Settings) -> str | None:
    """What whoever starts the platform has to know; None where there is nothing to tell."""
    processes = settings.limits.processes or settings.server.workers
    counted = any((each.kind or name) == "redis" and each.enabled for name, each in settings.integrations.items())
    if counted or processes == 1 or not any(tier.rates for tier in settings.tiers.values()):
        return None
    return (
        f"{processes} processes and no Redis: each has 1/{processes} of every limit of the tiers. "
        "Set REDIS_URL, and they are counted together."
    )


def _budget(name: str, budget: BudgetSettings) -> Budget:
    scope = budget.each or ("key" if budget.key else "team" if budget.team else "platform")
    limit = round(budget.usd * NANOS)
    whose = budget.key or budget.team or ""
    return Budget(name=name, limit=limit, scope=scope, id=whose, window=budget.per, alert=budget.alert_at)


def _tier(name: str, tier: TierSettings) -> Tier:
    return Tier(
        name=name,
        level=tier.level,
        groups=tier.groups,
        models=tier.models,
        rates=tuple(Rate(unit=rate.unit, limit=rate.limit, window=rate.window) for rate in tier.rates),
        priority=tier.priority,
        description=tier.description or "",
    )
