"""How far a key reaches, and the one rule about it: nobody gives more than he has."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from app.domain.patterns import covers
from app.domain.roles import rights_of


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a key has of each is said at Key, and what a principal has, at Principal."""

    roles: tuple[str, ...]
    models: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    team: str | None = None
    tier: str | None = None
    expires_at: float | None = None


FIELDS = Scope.__struct_fields__

SAME = frozenset({"team", "tier"})
"""Whoever is bound in these has just what the bound has: there is no less and no more."""


def scope_of(key: object) -> Scope:
    """Of anything that has the fields."""
    return Scope(**{field: getattr(key, field) for field in FIELDS})


def beyond(scope: Scope, bound: Scope, fields: Iterable[str] = FIELDS) -> str | None:
    """The first of `fields` in which `scope` reaches further than `bound`; None where it does in none."""
    return next((field for field in fields if not _WITHIN[field](scope, bound)), None)


def _models_within(scope: Scope, bound: Scope) -> bool:
    """No models means all."""
    if not bound.models:
        return True
    return bool(scope.models) and all(
        any(covers(pattern, model) for pattern in bound.models) for model in scope.models
    )


def _ends_within(scope: Scope, bound: Scope) -> bool:
    return bound.expires_at is None or (scope.expires_at is not None and scope.expires_at <= bound.expires_at)


_WITHIN: Mapping[str, Callable[[Scope, Scope], bool]] = {
    "roles": lambda scope, bound: rights_of(scope.roles) <= rights_of(bound.roles),
    "models": _models_within,
    "groups": lambda scope, bound: set(scope.groups) <= set(bound.groups),
    "team": lambda scope, bound: scope.team == bound.team,
    "tier": lambda scope, bound: scope.tier == bound.tier,
    "expires_at": _ends_within,
}
