"""Who did what, when and to what. Times are Unix seconds."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.domain.principal import Principal


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, and by which request."""

    principal: Principal
    request_id: str
    front_end: str


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """`action` is what is done to which kind of thing (`key.create`), `object` which one. `before` and `after` are
    as far as they are known, and never hold a secret.
    """

    at: float
    actor: str
    action: str
    object: str
    before: Any
    after: Any
    request_id: str
    front_end: str


class Record(Act, frozen=True, kw_only=True):
    """`id`: later ones have a higher one."""

    id: int


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """`action`: one, or all of a kind of thing (`key.`). `after`: the id of the last record of the page before."""

    actor: str | None = None
    action: str | None = None
    object: str | None = None
    since: float | None = None
    until: float | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    after: int | None = None


class AuditPage(msgspec.Struct, frozen=True):
    records: list[Record]
    has_more: bool


def act_of(actor: Actor, action: str, object: str, at: float, before: Any = None, after: Any = None) -> Act:
    return Act(
        at=at,
        actor=actor.principal.id,
        action=action,
        object=object[:512],
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(after),
        request_id=actor.request_id[:128],
        front_end=actor.front_end,
    )
