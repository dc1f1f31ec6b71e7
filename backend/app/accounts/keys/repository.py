"""Keys as statements over their tables. Importing this loads SQLAlchemy.

Whoever changes a key takes the next version first (app.accounts.versions), and so his turn; what he reads after
that does not change under him.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.keys.schemas import Key, KeyFilter
from app.accounts.keys.snapshot import Known
from app.accounts.tables import KEY_DIGESTS, KEYS

_K = KEYS.c
_D = KEY_DIGESTS.c
_TUPLES = ("groups", "models", "roles")

MANY = 500
"""Keys that one statement names."""


async def insert_key(connection: AsyncConnection, key: Key, path: str, version: int) -> None:
    row = msgspec.structs.asdict(key)
    await connection.execute(insert(KEYS).values(**row, path=path, version=version))


async def insert_digest(connection: AsyncConnection, key_id: str, digest: bytes, secret_id: str) -> None:
    row = {"digest": digest, "key_id": key_id, "secret": secret_id}
    await connection.execute(insert(KEY_DIGESTS).values(**row))


async def get(connection: AsyncConnection, id: str) -> tuple[Key, str] | None:
    """The key and its path."""
    row = (await connection.execute(select(KEYS).where(_K.id == id, _K.deleted_at.is_(None)))).first()
    return (_key(row), row.path) if row is not None else None


async def children(connection: AsyncConnection, id: str) -> list[Key]:
    """Those right below, but for the revoked ones."""
    query = select(KEYS).where(_K.parent == id, _K.deleted_at.is_(None), _K.revoked_at.is_(None))
    return [_key(row) for row in await connection.execute(query)]


async def count_live(connection: AsyncConnection, above: str, now: float) -> int:
    """Those below a path that are good now."""
    query = select(func.count()).select_from(KEYS).where(_below(above), _live(now))
    return (await connection.execute(query)).scalar_one()


async def page(connection: AsyncConnection, wanted: KeyFilter, above: str | None, now: float) -> list[Key]:
    """One more than is wanted, if there is one; the newest first. `above`: only those below that path."""
    query = select(KEYS).where(_K.deleted_at.is_(None))
    for field in ("owner", "team", "parent"):
        if (value := getattr(wanted, field)) is not None:
            query = query.where(_K[field] == value)
    if above is not None:
        query = query.where(_below(above))
    if wanted.status is not None:
        query = query.where(_has_status(wanted.status, now))
    if wanted.after is not None:
        query = _after(query, wanted.after)
    query = query.order_by(_K.created_at.desc(), _K.id.desc()).limit(wanted.limit + 1)
    return [_key(row) for row in await connection.execute(query)]


async def change(connection: AsyncConnection, id: str, values: Mapping[str, Any], version: int) -> None:
    await connection.execute(update(KEYS).where(_K.id == id).values(**values, version=version))


async def end_digests(connection: AsyncConnection, key_id: str, at: float, now: float) -> None:
    """What the key is recognised by until now is good until `at`; what was not good any more goes."""
    mine = _D.key_id == key_id
    await connection.execute(delete(KEY_DIGESTS).where(mine, _D.expires_at <= now))
    later = or_(_D.expires_at.is_(None), _D.expires_at > at)
    await connection.execute(update(KEY_DIGESTS).where(mine, later).values(expires_at=at))


async def revoke(connection: AsyncConnection, id: str, at: float, version: int) -> list[str]:
    """The key and whatever came of it. The ids of those that were not revoked until then."""
    revoked: list[str] = []
    ids = sorted(await _come_of(connection, id))
    for first in range(0, len(ids), MANY):
        good = _K.id.in_(ids[first : first + MANY]) & _K.revoked_at.is_(None)
        revoked += (await connection.execute(select(_K.id).where(good).order_by(_K.id))).scalars()
        await connection.execute(update(KEYS).where(good).values(revoked_at=at, version=version))
    return revoked


async def _come_of(connection: AsyncConnection, id: str) -> set[str]:
    """The key's id, and those of all that stand below it or that it issued elsewhere, as an administrator's key
    does; and of what came of these.
    """
    found, unasked = {id}, [id]
    while unasked:
        some, unasked = unasked[:MANY], unasked[MANY:]
        query = select(_K.id).where(or_(_K.parent.in_(some), _K.created_by.in_([f"key:{each}" for each in some])))
        more = set((await connection.execute(query)).scalars()) - found
        found |= more
        unasked += more
    return found


async def remove(connection: AsyncConnection, key: Key, at: float, version: int) -> None:
    """What it was recognised by, and what people noted on it. Its row stays: see tables.py."""
    await connection.execute(delete(KEY_DIGESTS).where(_D.key_id == key.id))
    values = {"deleted_at": at, "revoked_at": key.revoked_at or at, "metadata": {}}
    await change(connection, key.id, values, version)


async def note_use(connection: AsyncConnection, used: Mapping[str, float]) -> None:
    """`used`: when each key was, last. It raises no version: nobody decides by it."""
    query = (
        update(KEYS)
        .where(_K.id == bindparam("key_id"), or_(_K.last_used_at.is_(None), _K.last_used_at < bindparam("at")))
        .values(last_used_at=bindparam("at"))
    )
    # Everybody in one order: of two processes that wait for each other's rows, the database would end one.
    await connection.execute(query, [{"key_id": id, "at": at} for id, at in sorted(used.items())])


async def live(connection: AsyncConnection, now: float, after: str, most: int) -> list[Known]:
    """Keys that are good now, in the order of their ids."""
    return await _known(connection, select(_K.id).where(_live(now), _K.id > after).order_by(_K.id).limit(most))


async def changed_since(connection: AsyncConnection, version: int) -> list[Known]:
    """Also those that were revoked or deleted."""
    return await _known(connection, select(_K.id).where(_K.version > version))


async def with_digests(connection: AsyncConnection, digests: Iterable[bytes]) -> list[Known]:
    return await _known(connection, select(_D.key_id).where(_D.digest.in_(list(digests))))


async def any_of_another_secret(connection: AsyncConnection, secret_id: str, now: float) -> bool:
    query = select(_D.digest).join(KEYS).where(_D.secret != secret_id, _live(now)).limit(1)
    return (await connection.execute(query)).first() is not None


async def paths(connection: AsyncConnection) -> list[str]:
    """Of all keys that stand below others, also those that are gone."""
    return list((await connection.execute(select(_K.path).where(_K.path.contains("/")))).scalars())


async def _known(connection: AsyncConnection, ids: Select[Any]) -> list[Known]:
    keys = (await connection.execute(select(KEYS).where(_K.id.in_(ids)).order_by(_K.id))).all()
    digests: dict[str, dict[bytes, float | None]] = {}
    for row in await connection.execute(select(KEY_DIGESTS).where(_D.key_id.in_(ids))):
        digests.setdefault(row.key_id, {})[row.digest] = row.expires_at
    return [Known(_key(row), digests.get(row.id, {}), tuple(row.path.split("/"))) for row in keys]


def _below(path: str) -> ColumnElement[bool]:
    return _K.path.startswith(f"{path}/", autoescape=True)


def _live(now: float) -> ColumnElement[bool]:
    return and_(_K.deleted_at.is_(None), _has_status("active", now))


def _has_status(status: str, now: float) -> ColumnElement[bool]:
    if status == "revoked":
        return _K.revoked_at.is_not(None)
    ended = and_(_K.expires_at.is_not(None), _K.expires_at <= now)
    return and_(_K.revoked_at.is_(None), ended if status == "expired" else ~ended)


def _after(query: Select[Any], id: str) -> Select[Any]:
    created = select(_K.created_at).where(_K.id == id).scalar_subquery()
    return query.where(or_(_K.created_at < created, and_(_K.created_at == created, _K.id < id)))


def _key(row: Row[Any]) -> Key:
    fields = {field: row._mapping[field] for field in Key.__struct_fields__}
    return Key(**{**fields, **{field: tuple(fields[field]) for field in _TUPLES}})
