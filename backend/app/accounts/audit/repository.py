"""The audit log as statements: none changes or deletes. Importing this loads SQLAlchemy."""

from typing import Any

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.audit.schemas import Actor
from app.accounts.tables import AUDIT


async def record(
    connection: AsyncConnection,
    actor: Actor,
    action: str,
    object: str,
    *,
    at: float,
    before: Any = None,
    after: Any = None,
) -> None:
    """In the transaction of the deed itself: there is never one without the other."""
    await connection.execute(
        insert(AUDIT).values(
            at=at,
            actor=actor.principal.id,
            action=action,
            object=object[:512],
            before=msgspec.to_builtins(before),
            after=msgspec.to_builtins(after),
            request_id=actor.request_id[:128],
            front_end=actor.front_end,
        )
    )
