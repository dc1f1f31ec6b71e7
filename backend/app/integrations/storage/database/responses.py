"""Stored responses as statements over one table. Importing this loads SQLAlchemy."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Delete, Select, delete, insert, literal, select
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.errors import NotFound
from app.domain.responses import StoredResponse
from app.integrations.storage.database.schema import RESPONSES

LONGEST = 10_000
"""Turns of one conversation; a chain of more is a circle."""

_C = RESPONSES.c

S = TypeVar("S", Select[Any], Delete)


class ResponseTable:
    """`since`, everywhere: Unix seconds; what is older is as good as deleted."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def put(self, response: StoredResponse) -> None:
        row = {name: getattr(response, name) for name in response.__struct_fields__}
        async with self._engine.begin() as connection:
            await connection.execute(_mine(delete(RESPONSES), response.id, response.principal))
            await connection.execute(insert(RESPONSES).values(**row))

    async def get(self, id: str, principal: str, since: float) -> StoredResponse | None:
        query = _mine(select(RESPONSES), id, principal).where(_C.created >= since)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).first()
        return _stored(row) if row is not None else None

    async def history(self, id: str, principal: str, since: float) -> Sequence[StoredResponse]:
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
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
            if not rows and (await connection.execute(select(_C.id).where(_C.id == id).limit(1))).first():
                raise NotFound(f"There is no response '{id[:128]}'.", code="response_not_found")
        return [_stored(row) for row in rows]

    async def delete(self, id: str, principal: str) -> bool:
        async with self._engine.begin() as connection:
            return (await connection.execute(_mine(delete(RESPONSES), id, principal))).rowcount > 0

    async def delete_before(self, since: float) -> int:
        """How many there were."""
        async with self._engine.begin() as connection:
            return (await connection.execute(delete(RESPONSES).where(_C.created < since))).rowcount


def _mine(statement: S, id: str, principal: str) -> S:
    return statement.where(_C.id == id, _C.principal == principal)


def _stored(row: Row[Any]) -> StoredResponse:
    return StoredResponse(**{name: getattr(row, name) for name in StoredResponse.__struct_fields__})
