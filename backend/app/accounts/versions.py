"""How a process learns that others have changed something. Importing this loads SQLAlchemy."""

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.tables import VERSIONS

_RAISE = text(
    "INSERT INTO versions (subject, version) VALUES (:subject, 1)"
    " ON CONFLICT (subject) DO UPDATE SET version = versions.version + 1 RETURNING version"
)


async def raise_version(connection: AsyncConnection, subject: str) -> int:
    """The next version. Nobody else can raise it before the transaction ends, so they are seen in order."""
    found: int = (await connection.execute(_RAISE, {"subject": subject})).scalar_one()
    return found


async def version_of(connection: AsyncConnection, subject: str) -> int:
    """0 before the first change."""
    query = select(VERSIONS.c.version).where(VERSIONS.c.subject == subject)
    found: int | None = (await connection.execute(query)).scalar_one_or_none()
    return found or 0
