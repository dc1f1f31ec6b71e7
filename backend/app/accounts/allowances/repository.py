"""Tiers and budgets as statements over their tables. Importing this loads SQLAlchemy.

Whoever changes one takes the next version first (app.accounts.versions), and so his turn.
"""

from typing import Any

import msgspec
from sqlalchemy import Table, delete, insert, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.allowances.schemas import Kept, Kind
from app.accounts.tables import BUDGETS, KEYS, TIERS
from app.domain.limits import Budget, Tier

SUBJECT = "allowances"
"""Of app.accounts.versions."""

_TABLES: dict[Kind, tuple[Table, type[Tier] | type[Budget]]] = {"tier": (TIERS, Tier), "budget": (BUDGETS, Budget)}


async def every(connection: AsyncConnection, kind: Kind) -> dict[str, Kept[Any]]:
    """By name, and in its order."""
    table, _ = _TABLES[kind]
    found = await connection.execute(select(table).order_by(table.c.name))
    return {row["name"]: _kept(kind, row) for row in found.mappings()}


async def names(connection: AsyncConnection, kind: Kind) -> list[str]:
    return list((await connection.execute(select(_TABLES[kind][0].c.name))).scalars())


async def get(connection: AsyncConnection, kind: Kind, name: str) -> Kept[Any] | None:
    table, _ = _TABLES[kind]
    row = (await connection.execute(select(table).where(table.c.name == name))).mappings().first()
    return None if row is None else _kept(kind, row)


async def put(connection: AsyncConnection, kind: Kind, kept: Kept[Any]) -> None:
    """In the place of the one of its name, if there is one."""
    await remove(connection, kind, kept.thing.name)
    row = {**msgspec.to_builtins(kept.thing), "updated_at": kept.updated_at, "updated_by": kept.updated_by}
    await connection.execute(insert(_TABLES[kind][0]).values(**row))


async def remove(connection: AsyncConnection, kind: Kind, name: str) -> None:
    table, _ = _TABLES[kind]
    await connection.execute(delete(table).where(table.c.name == name))


async def keys_of(connection: AsyncConnection, tier: str, now: float, most: int) -> list[str]:
    """The ids of keys that name it and are good now, `most` of them."""
    k = KEYS.c
    good = (k.deleted_at.is_(None), k.revoked_at.is_(None), k.expires_at.is_(None) | (k.expires_at > now))
    query = select(k.id).where(k.tier == tier, *good).order_by(k.created_at).limit(most)
    return list((await connection.execute(query)).scalars())


def _kept(kind: Kind, row: RowMapping) -> Kept[Any]:
    """Names of columns are no plain texts, as msgspec wants them."""
    thing = msgspec.convert({f"{name}": value for name, value in row.items()}, _TABLES[kind][1])
    return Kept(thing, row["updated_at"], row["updated_by"])
