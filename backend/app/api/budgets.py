"""Budgets and what is left of them, as every front-end tells and sets them.

Those who may see everybody's requests are told of all; others of their own, and never of the platform's.
"""

from collections.abc import Iterator, Mapping
from heapq import nlargest
from typing import Literal

import msgspec

from app.accounts.allowances.book import AllowanceBook, Entry
from app.accounts.allowances.schemas import BudgetWanted
from app.accounts.audit.schemas import Actor
from app.accounts.limits.budgets import Budgets
from app.accounts.usage.schemas import NANOS
from app.api.context import ApiContext
from app.api.tiers import Defined
from app.domain.limits import Budget
from app.domain.ports import SpendWindow
from app.domain.principal import Principal
from app.domain.roles import Right

MOST_HOLDERS = 100
"""Of a budget that each key or team has: those who have spent the most."""


class HolderShown(msgspec.Struct):
    """In US dollars, of the present period. `id`: of the key or the team; null for the platform."""

    id: str | None
    spent: float
    remaining: float


class BudgetShown(msgspec.Struct, kw_only=True):
    """`holders`: whose it is. `resets_at`: when the present period ends; null for one that has none. `complete`:
    whether what was spent before this process began is known. `defined_at`: where in the configuration.
    """

    object: Literal["budget"] = "budget"
    name: str
    usd: float
    per: SpendWindow
    key: str | None
    team: str | None
    each: Literal["key", "team"] | None
    alert_at: float
    holders: list[HolderShown]
    resets_at: float | None
    complete: bool
    defined_in: Defined
    defined_at: str | None = None
    updated_at: float | None = None
    updated_by: str | None = None


async def budgets(context: ApiContext, principal: Principal) -> list[BudgetShown]:
    book = await context.accounts.allowances.latest()
    held = book.budgets
    if held is None:
        return []
    if principal.may(Right.SEE_REQUESTS):
        return [_shown(held, entry, await held.spent_by(entry.thing)) for entry in book.entries("budget")]
    return list(_own(book, held, principal))


async def budget(context: ApiContext, principal: Principal, name: str) -> BudgetShown:
    """Raises NotFound; Unavailable while nobody knows what the database has."""
    for each in await budgets(context, principal):
        if each.name == name:
            return each
    raise context.accounts.allowances.missing("budget", name)


async def set_budget(context: ApiContext, actor: Actor, name: str, wanted: BudgetWanted) -> BudgetShown:
    """Raises Conflict, InvalidRequest."""
    held, kept = await (await context.accounts.setting_allowances()).set_budget(actor, name, wanted)
    return _shown(held, Entry(kept.thing, kept), await held.spent_by(kept.thing))


async def delete_budget(context: ApiContext, actor: Actor, name: str) -> None:
    """Raises Conflict, NotFound."""
    await (await context.accounts.setting_allowances()).delete(actor, "budget", name)


def _own(book: AllowanceBook, held: Budgets, principal: Principal) -> Iterator[BudgetShown]:
    holders = {budget.name: id for budget, id in held.of(principal) if budget.scope != "platform"}
    for entry in book.entries("budget"):
        if (id := holders.get(entry.thing.name)) is not None:
            shown = _shown(held, Entry(entry.thing, entry.kept), {id: held.spent(entry.thing, id)})
            yield msgspec.structs.replace(shown, updated_by=None)


def _shown(held: Budgets, entry: Entry, spent: Mapping[str, int]) -> BudgetShown:
    """`spent`: by whose it is."""
    budget: Budget = entry.thing
    most = nlargest(MOST_HOLDERS, zip(spent.values(), spent, strict=True))
    each = budget.scope if budget.scope != "platform" and not budget.id else None
    return BudgetShown(
        name=budget.name,
        usd=budget.limit / NANOS,
        per=budget.window,
        key=budget.id if budget.scope == "key" and budget.id else None,
        team=budget.id if budget.scope == "team" and budget.id else None,
        each=each,
        alert_at=budget.alert,
        holders=[HolderShown(id or None, cost / NANOS, max(0, budget.limit - cost) / NANOS) for cost, id in most],
        resets_at=held.ends_at(budget),
        complete=held.known,
        defined_in="database" if entry.kept else "configuration",
        defined_at=entry.place,
        updated_at=entry.kept.updated_at if entry.kept else None,
        updated_by=entry.kept.updated_by if entry.kept else None,
    )
