"""Tiers as every front-end tells and sets them.

Those who may see everybody's requests are told of all; others of their own.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from app.accounts.allowances.book import AllowanceBook, Entry
from app.accounts.allowances.schemas import TierWanted
from app.accounts.audit.schemas import Actor
from app.api.context import ApiContext
from app.domain.limits import Rate, Tier
from app.domain.principal import Principal
from app.domain.roles import Right

Defined = Literal["configuration", "database"]


class TierShown(msgspec.Struct, kw_only=True):
    """`default`: of those who are in no other. `defined_at`: where in the configuration."""

    object: Literal["tier"] = "tier"
    name: str
    level: int
    groups: tuple[str, ...]
    models: tuple[str, ...]
    rates: tuple[Rate, ...]
    priority: int
    description: str
    default: bool
    defined_in: Defined
    defined_at: str | None = None
    updated_at: float | None = None
    updated_by: str | None = None


async def tiers(context: ApiContext, principal: Principal) -> list[TierShown]:
    book = await context.accounts.allowances.latest()
    if principal.may(Right.SEE_REQUESTS):
        return [_shown(book, entry) for entry in book.entries("tier")]
    return list(_own(context, book, principal))


async def tier(context: ApiContext, principal: Principal, name: str) -> TierShown:
    """Raises NotFound; Unavailable while nobody knows what the database has."""
    for each in await tiers(context, principal):
        if each.name == name:
            return each
    raise context.accounts.allowances.missing("tier", name)


async def set_tier(context: ApiContext, actor: Actor, name: str, wanted: TierWanted) -> TierShown:
    """Raises Conflict, InvalidRequest."""
    kept = await (await context.accounts.setting_allowances()).set_tier(actor, name, wanted)
    return _shown(context.accounts.allowances, Entry(kept.thing, kept))


async def delete_tier(context: ApiContext, actor: Actor, name: str) -> None:
    """Raises Conflict, NotFound."""
    await (await context.accounts.setting_allowances()).delete(actor, "tier", name)


def _own(context: ApiContext, book: AllowanceBook, principal: Principal) -> Iterator[TierShown]:
    """Who else is in it, and who set it, is not told."""
    own = context.admission.tier_of(principal) if context.admission is not None else None
    for entry in book.entries("tier"):
        if own is not None and entry.thing.name == own.name:
            groups = tuple(group for group in own.groups if group in principal.groups)
            shown = _shown(book, Entry(entry.thing, entry.kept))
            yield msgspec.structs.replace(shown, groups=groups, updated_by=None)


def _shown(book: AllowanceBook, entry: Entry) -> TierShown:
    tier: Tier = entry.thing
    return TierShown(
        **msgspec.structs.asdict(tier),
        default=tier.name == book.configured.default_tier,
        defined_in="database" if entry.kept else "configuration",
        defined_at=entry.place,
        updated_at=entry.kept.updated_at if entry.kept else None,
        updated_by=entry.kept.updated_by if entry.kept else None,
    )
