"""Stored responses as statements over one table. Importing this loads SQLAlchemy.

`since`, everywhere: Unix seconds; what is older is as good as deleted.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Delete, Select, delete, insert, literal, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.errors import NotFound
from app.domain.responses import StoredResponse
from app.integrations.storage.database.schema import RESPONSES

LONGEST = 10_000
"""Turns of one conversation; a chain of more is a circle."""

_C = RESPONSES.c

S = TypeVar("S", Select[Any], Delete)


async def put(connection: AsyncConnection, response: StoredResponse) -> None:
    row = {name: getattr(response, name) for name in response.__struct_fields__}
    await connection.execute(_mine(delete(RESPONSES), response.id, response.principal))
    await connection.execute(insert(RESPONSES).values(**row))


async def get(connection: AsyncConnection, id: str, principal: str, since: float) -> StoredResponse | None:
    query = _mine(select(RESPONSES), id, principal).where(_C.created >= since)
    row = (await connection.execute(query)).first()
    return _stored(row) if row is not None else None


async def history(connection: AsyncConnection, id: str, principal: str, since: float) -> Sequence[StoredResponse]:
    """Oldest first. Raises NotFound for another's."""
    chain = (
        _mine(select(_C.id, _C.previous_id, literal(0).label("depth")), id, principal)
        .where(_C.created >= since)
        .cte("chain", recursive=True)
    )
    chain = chain.union_all(
        select(_C.id, _C.previous_id, chain.c.depth + 1).where(
            _C.id == chain.c.previous_id,
            _C.principal == principal,
            _C.created >= since,
            chain.c.depth < LONGEST,
        )
    )
    query = (
        select(RESPONSES)
        .join(chain, chain.c.id == _C.id)
        .where(_C.principal == principal)
        .order_by(chain.c.depth.desc())
    )
    rows = (await connection.execute(query)).all()
    if not rows and (await connection.execute(select(_C.id).where(_C.id == id).limit(1))).first():
        raise NotFound(f"There is no response '{id[:128]}'.", code="response_not_found")
    return [_stored(row) for row in rows]


async def remove(connection: AsyncConnection, id: str, principal: str) -> bool:
    """Whether there was one."""
    return (await connection.execute(_mine(delete(RESPONSES), id, principal))).rowcount > 0


async def remove_before(connection: AsyncConnection, since: float) -> int:
    """How many there were."""
    return (await connection.execute(delete(RESPONSES).where(_C.created < since))).rowcount


def _mine(statement: S, id: str, principal: str) -> S:
    return statement.where(_C.id == id, _C.principal == principal)


def _stored(row: Row[Any]) -> StoredResponse:
    return StoredResponse(**{name: getattr(row, name) for name in StoredResponse.__struct_fields__})
