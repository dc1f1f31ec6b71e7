"""Keys as callers and people see them, and what they may ask for. Times are Unix seconds."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.roles import Role

Status = Literal["active", "expired", "revoked"]

# Without control characters, at the end too, where `$` alone would let a line break pass.
_PLAIN = r"^[^\x00-\x1f\x7f]*(?![\x00-\x1f\x7f])$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(?!\n)$"

Word = Annotated[str, Meta(min_length=1, max_length=255, pattern=_PLAIN)]
Line = Annotated[str, Meta(max_length=200, pattern=_PLAIN)]
Words = Annotated[tuple[Word, ...], Meta(max_length=100)]
Roles = Annotated[tuple[Role, ...], Meta(min_length=1, max_length=4)]
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
Tier = Annotated[str, Meta(min_length=1, max_length=64, pattern=NAME)]
Time = Annotated[float, Meta(ge=0, le=1e11)]
Seconds = Annotated[float, Meta(gt=0, le=100 * 366 * 86400)]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """`models`: patterns; none means all. `parent`: the key whose scope bounds this one's. `hint`: the end of the
    text, to know it by. `created_by`: a principal.
    """

    id: str
    name: str
    owner: str
    team: str | None
    groups: tuple[str, ...]
    models: tuple[str, ...]
    roles: tuple[Role, ...]
    tier: str | None
    parent: str | None
    metadata: dict[str, str]
    hint: str
    created_at: float
    created_by: str
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None

    def status(self, now: float) -> Status:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out is taken from the parent where there is one. `expires_in`: seconds from now."""

    name: Line = ""
    owner: Word | UnsetType = UNSET
    team: Word | UnsetType | None = UNSET
    groups: Words | UnsetType = UNSET
    models: Words | UnsetType = UNSET
    roles: Roles | UnsetType = UNSET
    tier: Tier | UnsetType | None = UNSET
    parent: Word | None = None
    metadata: Metadata = {}
    expires_at: Time | UnsetType | None = UNSET
    expires_in: Seconds | UnsetType = UNSET


class KeyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    name: Line | UnsetType = UNSET
    owner: Word | UnsetType = UNSET
    team: Word | UnsetType | None = UNSET
    groups: Words | UnsetType = UNSET
    models: Words | UnsetType = UNSET
    roles: Roles | UnsetType = UNSET
    tier: Tier | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET
    expires_at: Time | UnsetType | None = UNSET


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`overlap`: seconds for which the text until now goes on being good."""

    overlap: Annotated[float, Meta(ge=0, le=30 * 86400)] = 3600.0


class KeyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """`after`: the id of the last key of the page before."""

    owner: str | None = None
    team: str | None = None
    parent: str | None = None
    status: Status | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    after: str | None = None


class Page(msgspec.Struct, frozen=True):
    keys: list[Key]
    has_more: bool
