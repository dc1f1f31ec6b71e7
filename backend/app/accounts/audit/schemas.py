"""Who did what, when and to what. Times are Unix seconds."""

from typing import Any

import msgspec

from app.domain.principal import Principal


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, and by which request."""

    principal: Principal
    request_id: str
    front_end: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """`action` is what is done to which kind of thing (`key.create`), `object` which one. `before` and `after` are
    as far as they are known, and never hold a secret.
    """

    id: int
    at: float
    actor: str
    action: str
    object: str
    before: Any
    after: Any
    request_id: str
    front_end: str
