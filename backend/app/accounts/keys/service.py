"""What may be done with keys, and by whom. Importing this loads SQLAlchemy.

Who has the right to ALL_KEYS manages every key. Everybody else manages those below his own: below the key that he
shows, or below himself where he came without one. Nobody gives more than he has, or than the key above has.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.allowances import repository as tiers
from app.accounts.audit.repository import append
from app.accounts.audit.schemas import Actor, act_of
from app.accounts.keys import repository as rows
from app.accounts.keys.digests import Digests
from app.accounts.keys.drafts import changed, drafted
from app.accounts.keys.reach import Reach, check_active, reach_of
from app.accounts.keys.schemas import Key, KeyChange, KeyFilter, NewKey, Page, Rotation
from app.accounts.keys.scope import FIELDS, SAME, beyond, scope_of
from app.accounts.keys.source import SUBJECT
from app.accounts.keys.text import hint_of, new_key
from app.accounts.store import Store
from app.accounts.versions import raise_version
from app.core.clock import Clock
from app.domain.errors import Conflict, InvalidRequest, PermissionDenied

DEEPEST = 6
"""Keys below one another."""

MOST_BELOW = 200
"""Good keys that somebody may have below him who does not manage all of them."""

MOST_NAMED = 100
"""Keys that went with another which the audit log names."""


class _Turn(msgspec.Struct, frozen=True):
    """A change under way. Nobody else changes keys before it ends."""

    connection: AsyncConnection
    version: int
    now: float
    reach: Reach
    actor: Actor

    async def record(self, action: str, key: Key, before: Any, after: Any) -> None:
        act = act_of(self.actor, f"key.{action}", f"key:{key.id}", self.now, before, after)
        await append(self.connection, [act])


class KeyService:
    """`publish` makes this process see what has changed; the others look for it themselves. All methods raise
    Unavailable without the database, and NotFound for a key that is not the actor's to see.
    """

    def __init__(
        self,
        store: Store,
        digests: Digests,
        clock: Clock,
        publish: Callable[[], Awaitable[None]],
        configured_tiers: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._store = store
        self._configured_tiers = configured_tiers
        self._digests = digests
        self._clock = clock
        self._publish = publish

    async def create(self, actor: Actor, new: NewKey) -> tuple[Key, str]:
        """The key and its text, which is never to be had again."""
        text, id = new_key(), secrets.token_hex(8)
        async with self._turn(actor) as turn:
            parent, above = await turn.reach.parent(turn.connection, new.parent)
            if parent is not None:
                check_active(parent, turn.now)
            bound = scope_of(parent) if parent else turn.reach.at_top()
            key = drafted(new, id, text, parent, bound, actor.principal.id, turn.now)
            turn.reach.check_grant(key, parent)
            if key.tier != bound.tier:
                await self._check_tier(turn.connection, key.tier)
            _check_owner(turn.reach, key, parent.owner if parent else actor.principal.id)
            path = f"{above}/{id}" if above else id
            await _check_room(turn, path)
            await rows.insert_key(turn.connection, key, path, turn.version)
            await rows.insert_digest(turn.connection, id, self._digests.of(text), self._digests.secret_id)
            await turn.record("create", key, None, key)
        return key, text

    async def get(self, actor: Actor, id: str) -> Key:
        async with self._store.reading() as connection:
            reach = await reach_of(connection, actor.principal, self._clock.now())
            return (await reach.find(connection, id, itself=True))[0]

    async def page(self, actor: Actor, wanted: KeyFilter) -> Page:
        async with self._store.reading() as connection:
            reach = await reach_of(connection, actor.principal, self._clock.now())
            found = await rows.page(connection, wanted, reach.path, self._clock.now())
        return Page(found[: wanted.limit], has_more=len(found) > wanted.limit)

    async def change(self, actor: Actor, id: str, change: KeyChange) -> Key:
        async with self._turn(actor) as turn:
            before, _ = await turn.reach.find(turn.connection, id)
            after = changed(before, change, turn.now)
            _check_owner(turn.reach, after, before.owner)
            given = [field for field in FIELDS if getattr(after, field) != getattr(before, field)]
            parent = await rows.get(turn.connection, before.parent) if before.parent else None
            turn.reach.check_grant(after, parent[0] if parent else None, given)
            if "tier" in given:
                await self._check_tier(turn.connection, after.tier)
            await _check_children(turn, after, given)
            values = {field: getattr(after, field) for field in change.__struct_fields__}
            await rows.change(turn.connection, id, values, turn.version)
            await turn.record("update", after, before, after)
        return after

    async def rotate(self, actor: Actor, id: str, rotation: Rotation) -> tuple[Key, str]:
        """The key, with a new text beside the one until now, which goes on being good for a while."""
        text = new_key()
        async with self._turn(actor) as turn:
            before, _ = await turn.reach.find(turn.connection, id)
            turn.reach.check_text(before)
            check_active(before, turn.now)
            after = msgspec.structs.replace(before, hint=hint_of(text))
            await rows.end_digests(turn.connection, id, turn.now + rotation.overlap, turn.now)
            await rows.insert_digest(turn.connection, id, self._digests.of(text), self._digests.secret_id)
            await rows.change(turn.connection, id, {"hint": after.hint}, turn.version)
            await turn.record(
                "rotate", after, {"hint": before.hint}, {"hint": after.hint, "overlap": rotation.overlap}
            )
        return after, text

    async def revoke(self, actor: Actor, id: str) -> Key:
        """It, all below it and whatever these issued, for good. Once more changes nothing."""
        async with self._turn(actor) as turn:
            before, _ = await turn.reach.find(turn.connection, id)
            if before.revoked_at is not None:
                return before
            revoked = await rows.revoke(turn.connection, id, turn.now, turn.version)
            after = msgspec.structs.replace(before, revoked_at=turn.now)
            others = [each for each in revoked if each != id][:MOST_NAMED]
            told = {"revoked_at": turn.now, "keys": len(revoked), "others": others}
            await turn.record("revoke", after, before, told)
        return after

    async def delete(self, actor: Actor, id: str) -> None:
        """Raises Conflict while there are good keys below it."""
        async with self._turn(actor) as turn:
            key, _ = await turn.reach.find(turn.connection, id)
            if below := await rows.children(turn.connection, id):
                which, them = ("1 key", "that one") if len(below) == 1 else (f"{len(below)} keys", "them")
                raise Conflict(
                    f"{which} below it would go on: revoke it first, and {them} with it.", code="keys_below"
                )
            await rows.remove(turn.connection, key, turn.now, turn.version)
            await turn.record("delete", key, key, None)

    async def _check_tier(self, connection: AsyncConnection, tier: str | None) -> None:
        """Raises InvalidRequest."""
        if tier is None:
            return
        there = {*self._configured_tiers(), *await tiers.names(connection, "tier")}
        if tier not in there:
            which = f"there are: {', '.join(sorted(there))}" if there else "there is none at all"
            raise InvalidRequest(f"There is no tier '{tier}'; {which}.", code="tier_not_found", param="tier")

    @asynccontextmanager
    async def _turn(self, actor: Actor) -> AsyncIterator[_Turn]:
        async with self._store.writing() as connection:
            version, now = await raise_version(connection, SUBJECT), self._clock.now()
            reach = await reach_of(connection, actor.principal, now)
            yield _Turn(connection, version, now, reach, actor)
        await self._publish()


def _check_owner(reach: Reach, key: Key, otherwise: str) -> None:
    """Whose a key is, is for those to say who manage all keys. Raises PermissionDenied."""
    if reach.path is not None and key.owner != otherwise:
        raise PermissionDenied("Keys below yours have the owner that yours has.", param="owner")


async def _check_room(turn: _Turn, path: str) -> None:
    """Raises Conflict."""
    if path.count("/") > DEEPEST:
        raise Conflict(f"Keys may stand {DEEPEST} deep below one another.", code="too_deep", param="parent")
    if turn.reach.path is None:
        return
    if await rows.count_live(turn.connection, path.split("/", 1)[0], turn.now) >= MOST_BELOW:
        raise Conflict(f"There are {MOST_BELOW} keys below yours already: revoke some.", code="too_many_keys")


async def _check_children(turn: _Turn, key: Key, fields: list[str]) -> None:
    """Raises Conflict when a key below it has what it is to lose."""
    for child in await rows.children(turn.connection, key.id):
        field = beyond(scope_of(child), scope_of(key), fields)
        if field is not None:
            same = f"always has the same '{field}': revoke"
            said = same if field in SAME else f"has more in '{field}': change or revoke"
            raise Conflict(
                f"The key '{child.id}' below it {said} that one first.",
                code="keys_below",
                param=field,
            )
