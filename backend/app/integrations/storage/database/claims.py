"""Keys that one of several takes, as statements over one table. Importing this loads SQLAlchemy.

`now` and `until`: Unix seconds. What is past its time is as good as not there.
"""

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.integrations.storage.database.schema import CLAIMS

AT_ONCE = 100
"""Rows that are deleted in one transaction: each may be some megabytes."""

_C = CLAIMS.c
# Of several who do this at the same time, one changes a row; the others wait for its transaction, and change none.
_TAKE = text(
    "INSERT INTO claims (key, value, until) VALUES (:key, :value, :until) ON CONFLICT (key) DO UPDATE"
    " SET value = excluded.value, until = excluded.until WHERE claims.until <= :now"
)


async def claim(connection: AsyncConnection, key: str, mark: bytes, until: float, now: float) -> bytes | None:
    """None where the key is taken now; else what is there."""
    row = {"key": key, "value": mark, "until": until, "now": now}
    while (await connection.execute(_TAKE, row)).rowcount == 0:
        found: bytes | None = await connection.scalar(select(_C.value).where(_C.key == key))
        if found is not None:
            return found
    return None


async def exchange(connection: AsyncConnection, key: str, mark: bytes, value: bytes | None, until: float) -> bool:
    """False where `mark` is not there."""
    mine = (_C.key == key) & (_C.value == mark)
    statement = (
        delete(CLAIMS).where(mine)
        if value is None
        else update(CLAIMS).where(mine).values(value=value, until=until)
    )
    return (await connection.execute(statement)).rowcount > 0


async def remove_some_before(connection: AsyncConnection, now: float) -> int:
    """How many of those past their time went: AT_ONCE at most."""
    some = select(_C.key).where(_C.until <= now).order_by(_C.until).limit(AT_ONCE)
    return (await connection.execute(delete(CLAIMS).where(_C.key.in_(some)))).rowcount
