"""Setting and deleting tiers and budgets. Importing this loads SQLAlchemy.

Who may is said by the table of access: administrators alone, for whoever sets a tier could raise his own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.allowances import repository as rows
from app.accounts.allowances.book import AllowanceBook, not_found
from app.accounts.allowances.schemas import BudgetWanted, Kept, Kind, TierWanted, budget_of, tier_of
from app.accounts.audit.repository import append
from app.accounts.audit.schemas import Actor, act_of
from app.accounts.keys import repository as keys
from app.accounts.keys.source import SUBJECT as KEYS
from app.accounts.keys.trees import is_tree
from app.accounts.limits.budgets import Budgets
from app.accounts.store import Store
from app.accounts.versions import raise_version
from app.core.clock import Clock
from app.domain.errors import Conflict, InvalidRequest, PlatformError
from app.domain.limits import Budget, Tier

MOST = 10_000
"""Of each kind: every process has all in memory."""

TOLD = 3
"""Keys that are named where they stand in the way."""


class AllowanceService:
    """All methods raise Unavailable without the database, and Conflict for what the configuration defines."""

    def __init__(self, store: Store, clock: Clock, book: AllowanceBook) -> None:
        self._store = store
        self._clock = clock
        self._book = book

    async def set_tier(self, actor: Actor, name: str, wanted: TierWanted) -> Kept[Tier]:
        """Raises InvalidRequest."""
        return await self._set(actor, "tier", tier_of(name, wanted))

    async def set_budget(self, actor: Actor, name: str, wanted: BudgetWanted) -> tuple[Budgets, Kept[Budget]]:
        """And who holds it against what is spent. Raises InvalidRequest."""
        held = self._book.budgets
        if held is None:
            raise Conflict(
                "Nothing is known of spending: `usage.enabled` or the database is off.", code="usage_off"
            )
        return held, await self._set(actor, "budget", budget_of(name, wanted))

    async def delete(self, actor: Actor, kind: Kind, name: str) -> None:
        """Raises NotFound, and Conflict for a tier that keys name."""
        async with self._turn(kind, name) as connection:
            before = await rows.get(connection, kind, name)
            if before is None:
                raise not_found(kind, name)
            if kind == "tier":
                await self._check_unused(connection, name)
            await rows.remove(connection, kind, name)
            await self._record(connection, actor, f"{kind}.delete", f"{kind}:{name}", before, None)

    async def _set(self, actor: Actor, kind: Kind, thing: Any) -> Kept[Any]:
        kept = Kept(thing, self._clock.now(), actor.principal.id)
        async with self._turn(kind, thing.name) as connection:
            before = await rows.get(connection, kind, thing.name)
            if before is None and len(await rows.names(connection, kind)) >= MOST:
                raise Conflict(f"There are {MOST:,} {kind}s already: delete some.", code="too_many")
            if isinstance(thing, Budget) and thing.scope == "key" and thing.id:
                await _check_key(connection, thing.id)
            await rows.put(connection, kind, kept)
            await self._record(connection, actor, f"{kind}.set", f"{kind}:{thing.name}", before, kept)
        return kept

    @asynccontextmanager
    async def _turn(self, kind: Kind, name: str) -> AsyncIterator[AsyncConnection]:
        """Nobody else changes one before it ends, nor, while it is about a tier, says which one a key has."""
        self._book.check_free(kind, name)
        async with self._store.writing() as connection:
            if kind == "tier":
                await raise_version(connection, KEYS)
            await raise_version(connection, rows.SUBJECT)
            yield connection
        with suppress(PlatformError):  # what was changed is changed, also when it can't be read back at once
            await self._book.refresh()

    async def _check_unused(self, connection: AsyncConnection, tier: str) -> None:
        if ids := await rows.keys_of(connection, tier, self._clock.now(), TOLD + 1):
            named = ", ".join(ids[:TOLD]) + (" and others" if len(ids) > TOLD else "")
            raise Conflict(
                f"Keys have the tier '{tier}': {named}. Give them another one first.", code="tier_in_use"
            )

    async def _record(
        self, connection: AsyncConnection, actor: Actor, action: str, object: str, before: Any, after: Any
    ) -> None:
        told = [None if each is None else each.thing for each in (before, after)]
        await append(connection, [act_of(actor, action, object, self._clock.now(), *told)])


async def _check_key(connection: AsyncConnection, id: str) -> None:
    """Raises InvalidRequest."""
    if not is_tree(id) and await keys.get(connection, id) is None:
        raise InvalidRequest(f"There is no key '{id[:64]}': give the id that `keys list` shows.", param="key")
