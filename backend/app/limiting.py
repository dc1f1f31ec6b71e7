"""From the settings of tiers to what the platform limits by."""

from app.accounts.limits.admission import Admission
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.domain.limits import Rate, Tier
from app.settings import Settings, TierSettings


def admission(settings: Settings) -> Admission:
    return Admission(tiers(settings), SharedLimits(MemoryLimits(share(settings))))


def tiers(settings: Settings) -> Tiers:
    return Tiers([_tier(name, each) for name, each in settings.tiers.items()], settings.default_tier)


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
