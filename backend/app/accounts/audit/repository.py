"""The audit log as statements: none changes or deletes. Importing this loads SQLAlchemy."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.audit.schemas import Act, AuditFilter, Record
from app.accounts.tables import AUDIT

_C = AUDIT.c


async def append(connection: AsyncConnection, acts: Iterable[Act]) -> None:
    """In the transaction of the deed itself, where that is one: there is never the one without the other."""
    await connection.execute(insert(AUDIT), [msgspec.structs.asdict(act) for act in acts])


async def page(connection: AsyncConnection, wanted: AuditFilter, *, newest_first: bool) -> list[Record]:
    """One more than is wanted, if there is one."""
    query = select(AUDIT)
    for field in ("actor", "object"):
        if (value := getattr(wanted, field)) is not None:
            query = query.where(_C[field] == value)
    if wanted.action is not None:
        whole_kind = wanted.action.endswith(".")
        query = query.where(
            _C.action.startswith(wanted.action, autoescape=True) if whole_kind else _C.action == wanted.action
        )
    if wanted.since is not None:
        query = query.where(_C.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(_C.at < wanted.until)
    if wanted.after is not None:
        query = query.where(_C.id < wanted.after if newest_first else _C.id > wanted.after)
    query = query.order_by(_C.id.desc() if newest_first else _C.id).limit(wanted.limit + 1)
    return [Record(**row._mapping) for row in await connection.execute(query)]
