"""Which keys somebody manages, and what he has to give. Importing this loads SQLAlchemy."""

from collections.abc import Iterable

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.keys import repository as rows
from app.accounts.keys.schemas import Key
from app.accounts.keys.scope import FIELDS, SAME, Scope, beyond, scope_of
from app.accounts.keys.trees import tree_of
from app.domain.errors import Conflict, NotFound, PermissionDenied
from app.domain.principal import Principal
from app.domain.roles import Right

_OF_EVERYBODY = frozenset({"roles", "models", "expires_at"})
"""What also those are bound in who manage all keys; teams, groups and tiers are theirs to give."""


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """`path`: he manages the keys below it; None for all. `key`: the one that he shows, if he does."""

    path: str | None
    scope: Scope
    key: Key | None

    async def find(self, connection: AsyncConnection, id: str, *, itself: bool = False) -> tuple[Key, str]:
        """The key and its path; with `itself` also the one that he shows. Raises NotFound."""
        found = await rows.get(connection, id)
        if found is None or not self._holds(found[1], itself):
            raise NotFound(f"There is no key '{id[:64]}'.", code="key_not_found", param="id")
        return found

    async def parent(self, connection: AsyncConnection, id: str | None) -> tuple[Key | None, str]:
        """What a new key comes below: a key, or nothing, and the path there. Raises NotFound."""
        if id is not None:
            return await self.find(connection, id, itself=True)
        if self.path is None:
            return None, ""
        return self.key, self.path

    def check_grant(self, key: Key, parent: Key | None, fields: Iterable[str] = FIELDS) -> None:
        """`fields`: those that are given now. Raises PermissionDenied."""
        self.check_reach(key, parent, fields)
        if self.path is None or "groups" not in fields:
            return
        above = scope_of(parent) if parent is not None else self.scope
        if set(key.groups) != set(above.groups):
            raise PermissionDenied(
                "'groups' must be those above: limits go by them.", code="scope_exceeded", param="groups"
            )

    def at_top(self) -> Scope:
        """What a key below none has where nothing else is said."""
        if self.path is not None:
            return self.scope
        return Scope(roles=("user",), expires_at=None if self.key else self.scope.expires_at)

    def check_text(self, key: Key) -> None:
        """Whether he may have the key's text, and with it all that the key has. Raises PermissionDenied."""
        ends = {"expires_at"} if self.key is None else set()  # of his grants alone
        self.check_reach(key, None, set(FIELDS) - ends)

    def check_reach(self, key: Key, parent: Key | None, fields: Iterable[str] = FIELDS) -> None:
        """Whether the key has no more than he, and than the key above. Raises PermissionDenied."""
        fields, scope = set(fields), scope_of(key)
        own = beyond(scope, self.scope, fields if self.path is not None else fields & _OF_EVERYBODY)
        if own is not None:
            raise _beyond(own, "you have yourself", "your own: what you issue always has your")
        above = beyond(scope, scope_of(parent), fields) if parent is not None else None
        if above is not None:
            raise _beyond(above, "the key above has", "that of the key above: a key below another always has its")

    def _holds(self, path: str, itself: bool) -> bool:
        if self.path is None:
            return True
        return path.startswith(f"{self.path}/") or (itself and path == self.path)


async def reach_of(connection: AsyncConnection, principal: Principal, now: float) -> Reach:
    """Raises PermissionDenied when the key that was shown has ended meanwhile."""
    own, path = None, tree_of(principal.id)
    if principal.key is not None:
        found = await rows.get(connection, principal.key)
        if found is None or found[0].revoked_at is not None:
            raise PermissionDenied("The key that was shown has been revoked.")
        own, path = found
    lasting = now + principal.grants_for if principal.grants_for is not None else None
    scope = Scope(
        roles=tuple(principal.roles),
        models=principal.models,
        groups=principal.groups,
        team=principal.team,
        tier=principal.tier,
        expires_at=own.expires_at if own else lasting,
    )
    return Reach(path=None if principal.may(Right.ALL_KEYS) else path, scope=scope, key=own)


def check_active(key: Key, now: float) -> None:
    """Raises Conflict."""
    if (status := key.status(now)) != "active":
        raise Conflict(f"The key '{key.id}' is {status}.", code=f"key_{status}")


def _beyond(field: str, what: str, same: str) -> PermissionDenied:
    said = f"must be {same} {field}" if field in SAME else f"reaches further than what {what}"
    return PermissionDenied(f"'{field}' {said}.", code="scope_exceeded", param=field)
