"""What each role may do. Which route needs which right is said in app/api/access.py."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Literal, get_args

Role = Literal["viewer", "user", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)


class Right(StrEnum):
    """The values are what people read of it."""

    SEE_MODELS = "see which models there are"
    ASK = "ask models, and keep answers"
    SEE_PLATFORM = "see the integrations, and the figures of all requests"
    SEE_METRICS = "read the metrics"
    SEE_REQUESTS = "see everybody's requests"
    RUN_PLATFORM = "load and fetch models, restart integrations, reload the configuration"
    ISSUE_KEYS = "issue and manage keys below one's own"
    ALL_KEYS = "manage all keys"
    SET_LIMITS = "set tiers and budgets"
    AUDIT = "read the audit log"


_VIEWER = frozenset({Right.SEE_MODELS, Right.SEE_PLATFORM, Right.SEE_METRICS})
_USER = frozenset({Right.SEE_MODELS, Right.ASK, Right.ISSUE_KEYS})
_OPERATOR = _VIEWER | _USER | {Right.SEE_REQUESTS, Right.RUN_PLATFORM}

SCRAPER = "scraper"
"""What the token for metrics makes its holder; no key can have it."""

RIGHTS: Mapping[str, frozenset[Right]] = {
    "viewer": _VIEWER,
    "user": _USER,
    "operator": _OPERATOR,
    "admin": frozenset(Right),
    SCRAPER: frozenset({Right.SEE_METRICS}),
}


def rights_of(roles: Iterable[str]) -> frozenset[Right]:
    """A name that is no role gives none."""
    return _rights_of(frozenset(roles))


@lru_cache(maxsize=256)
def _rights_of(roles: frozenset[str]) -> frozenset[Right]:
    return frozenset[Right]().union(*(RIGHTS.get(role, ()) for role in roles))
