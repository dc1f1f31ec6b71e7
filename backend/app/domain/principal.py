"""Who asks."""

from typing import Literal

import msgspec

Role = Literal["viewer", "user", "operator", "admin"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is stable and safe to log; a credential is never part of it. What belongs to a principal (stored and
    cached answers, records) is kept under its `id`.

    `key`: the id of the virtual key that was shown. `team` and `groups`: whom it belongs to. `tier`: the limits
    that hold for it, by name. `models`: patterns of the models that it may use; none means all.
    `rank`: where requests have to wait, those of a higher one go first.
    """

    id: str
    roles: frozenset[str] = frozenset({"user"})
    key: str | None = None
    team: str | None = None
    groups: tuple[str, ...] = ()
    tier: str | None = None
    models: tuple[str, ...] = ()
    rank: int = 0


ANONYMOUS = Principal(id="anonymous")
