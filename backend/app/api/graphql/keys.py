"""Keys as GraphQL shows and takes them."""

import dataclasses
import time
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import strawberry
from strawberry.scalars import JSON

from app.accounts.keys.schemas import Key, KeyChange, KeyFilter, NewKey, Rotation
from app.api.graphql import limits
from app.api.graphql.request import Asking
from app.api.graphql.scalars import moment, seconds
from app.domain.errors import InvalidRequest, NotFound
from app.wire.json_text import explain

if TYPE_CHECKING:
    from app.accounts.keys.service import KeyService

T = TypeVar("T")

_PLAIN = ("id", "name", "owner", "team", "groups", "models", "tier", "parent", "metadata", "hint", "created_by")


@strawberry.enum
class KeyRole(Enum):
    VIEWER = "viewer"
    USER = "user"
    OPERATOR = "operator"
    ADMIN = "admin"


@strawberry.enum
class KeyStatus(Enum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@strawberry.type(name="Key", description="What a caller shows, and how far it reaches.")
class KeyShown:
    id: strawberry.ID
    name: str
    owner: str
    team: str | None
    groups: list[str]
    models: list[str] = strawberry.field(description="Patterns of the models that it is good for; none means all.")
    roles: list[KeyRole]
    tier: str | None
    parent: strawberry.ID | None = strawberry.field(description="The key whose scope bounds this one's.")
    metadata: JSON
    hint: str = strawberry.field(description="The end of its text, to know it by.")
    status: KeyStatus
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@strawberry.type(description="A key with its text, which is told this once: only a digest of it is kept.")
class IssuedKey:
    key: KeyShown
    text: str


@strawberry.input(description="What is left out is taken from the parent, where there is one.")
class NewKeyInput:
    name: str = ""
    owner: str | None = strawberry.UNSET
    team: str | None = strawberry.UNSET
    groups: list[str] | None = strawberry.UNSET
    models: list[str] | None = strawberry.UNSET
    roles: list[KeyRole] | None = strawberry.UNSET
    tier: str | None = strawberry.UNSET
    parent: strawberry.ID | None = None
    metadata: JSON | None = strawberry.UNSET
    expires_at: datetime | None = strawberry.UNSET


@strawberry.input(description="What is left out stays as it is; null takes it away.")
class KeyChangeInput:
    name: str | None = strawberry.UNSET
    owner: str | None = strawberry.UNSET
    team: str | None = strawberry.UNSET
    groups: list[str] | None = strawberry.UNSET
    models: list[str] | None = strawberry.UNSET
    roles: list[KeyRole] | None = strawberry.UNSET
    tier: str | None = strawberry.UNSET
    metadata: JSON | None = strawberry.UNSET
    expires_at: datetime | None = strawberry.UNSET


def shown(key: Key) -> KeyShown:
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    fields: dict[str, Any] = {
        **{field: list(found) if type(found := getattr(key, field)) is tuple else found for field in _PLAIN},
        **{field: None if (at := getattr(key, field)) is None else moment(at) for field in times},
    }
    return KeyShown(
        **fields, roles=[KeyRole(role) for role in key.roles], status=KeyStatus(key.status(time.time()))
    )


async def list_keys(
    info: Asking,
    owner: str | None = None,
    team: str | None = None,
    parent: strawberry.ID | None = None,
    status: KeyStatus | None = None,
    first: int = 50,
    after: strawberry.ID | None = None,
) -> list[KeyShown]:
    check_first(first)
    asked = {"owner": owner, "team": team, "parent": parent, "limit": first, "after": after}
    wanted = converted_fields({**asked, "status": status.value if status else None}, KeyFilter)
    return [shown(key) for key in (await (await _service(info)).page(info.context.actor(), wanted)).keys]


async def one_key(info: Asking, id: strawberry.ID) -> KeyShown | None:
    try:
        return shown(await (await _service(info)).get(info.context.actor(), id))
    except NotFound:
        return None


async def create_key(info: Asking, input: NewKeyInput) -> IssuedKey:
    key, text = await (await _service(info)).create(info.context.actor(), _converted(input, NewKey))
    return IssuedKey(key=shown(key), text=text)


async def update_key(info: Asking, id: strawberry.ID, input: KeyChangeInput) -> KeyShown:
    change = _converted(input, KeyChange)
    return shown(await (await _service(info)).change(info.context.actor(), id, change))


async def rotate_key(info: Asking, id: strawberry.ID, overlap_seconds: float = 3600.0) -> IssuedKey:
    rotation = converted_fields({"overlap": overlap_seconds}, Rotation)
    key, text = await (await _service(info)).rotate(info.context.actor(), id, rotation)
    return IssuedKey(key=shown(key), text=text)


async def revoke_key(info: Asking, id: strawberry.ID) -> KeyShown:
    return shown(await (await _service(info)).revoke(info.context.actor(), id))


async def delete_key(info: Asking, id: strawberry.ID) -> strawberry.ID:
    await (await _service(info)).delete(info.context.actor(), id)
    return id


def check_first(first: int) -> None:
    """Raises InvalidRequest."""
    if not 1 <= first <= limits.LISTED:
        raise InvalidRequest(f"`first` must lie between 1 and {limits.LISTED}.", param="first")


async def _service(info: Asking) -> "KeyService":
    return await info.context.api.accounts.keys()


def _converted(input: NewKeyInput | KeyChangeInput, kind: type[T]) -> T:
    """Raises InvalidRequest."""
    fields = {field.name: getattr(input, field.name) for field in dataclasses.fields(input)}
    given = {name: value for name, value in fields.items() if value is not strawberry.UNSET}
    if given.get("roles") is not None:
        given["roles"] = [role.value for role in given["roles"]]
    if given.get("expires_at") is not None:
        given["expires_at"] = seconds(given["expires_at"])
    return converted_fields(given, kind)


def converted_fields(fields: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise explain(error, kind) from None
