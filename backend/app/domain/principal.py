"""Who asks."""

import msgspec


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is stable and safe to log; a credential is never part of it."""

    id: str
    roles: frozenset[str] = frozenset({"user"})


ANONYMOUS = Principal(id="anonymous")
