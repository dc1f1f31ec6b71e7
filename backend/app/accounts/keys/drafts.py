"""A key as it is asked for: what was said, what is taken from above, and what makes no sense. No database here."""

from typing import Any

from msgspec import UNSET, structs

from app.accounts.keys.schemas import Key, KeyChange, NewKey
from app.accounts.keys.scope import FIELDS, Scope, beyond
from app.accounts.keys.text import hint_of
from app.domain.errors import Conflict, InvalidRequest

_DEFAULT = Scope(roles=("user",))


def drafted(new: NewKey, id: str, text: str, parent: Key | None, above: Scope, created_by: str, now: float) -> Key:
    """`above`: whose scope it has where nothing else is said. Raises InvalidRequest."""
    scope = {field: _chosen(getattr(new, field), getattr(above, field)) for field in FIELDS}
    if new.roles is UNSET:
        scope["roles"] = _roles(above)
    if new.expires_in is not UNSET:
        if new.expires_at is not UNSET:
            raise InvalidRequest("Give either 'expires_at' or 'expires_in'.", param="expires_in")
        scope["expires_at"] = now + new.expires_in
    _check_future(scope["expires_at"], now)
    return Key(
        id=id,
        name=new.name,
        owner=_chosen(new.owner, parent.owner if parent else created_by),
        parent=parent.id if parent else None,
        metadata=new.metadata,
        hint=hint_of(text),
        created_at=now,
        created_by=created_by,
        revoked_at=None,
        last_used_at=None,
        **scope,
    )


def changed(key: Key, change: KeyChange, now: float) -> Key:
    """Raises InvalidRequest, Conflict."""
    if key.revoked_at is not None:
        raise Conflict("The key is revoked: nothing changes it any more.", code="key_revoked")
    said = {field: getattr(change, field) for field in change.__struct_fields__}
    values = {field: value for field, value in said.items() if value is not UNSET}
    if "expires_at" in values:
        _check_future(values["expires_at"], now)
    return structs.replace(key, **values)


def _chosen(said: Any, otherwise: Any) -> Any:
    return otherwise if said is UNSET else said


def _roles(above: Scope) -> tuple[str, ...]:
    """A user's, unless those above may do less."""
    if beyond(_DEFAULT, above, ["roles"]) is None:
        return _DEFAULT.roles
    return above.roles


def _check_future(at: float | None, now: float) -> None:
    if at is not None and at <= now:
        raise InvalidRequest("'expires_at' lies in the past: give Unix seconds to come.", param="expires_at")
