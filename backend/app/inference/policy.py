"""How a model's targets are used: pure data, made from the settings and swapped whole by a reload."""

from collections.abc import Mapping
from typing import Literal

import msgspec

Strategy = Literal[
    "weighted", "priority", "least_busy", "lowest_latency", "cheapest", "sticky", "sticky_prefix", "auto"
]
Cause = Literal["timeout", "rate_limit", "auth", "server_error"]

MAX_ATTEMPTS = 3
"""Upstream requests that one request may cause, fallbacks included."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. An answer that does not stream has `total` until it is there: its first event is all of it."""

    first_token: float = 60.0
    idle: float = 300.0
    total: float = 600.0


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`ttl` in seconds. `shared`: one caller may be given another's answer. `coalesce`: equal requests at the
    same time are sent once.
    """

    ttl: float = 600.0
    shared: bool = False
    coalesce: bool = True


class ModelPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Of one name that callers may use. `retries`: further tries at its own targets; `retries_by_cause` overrules
    it. The three kinds of `fallbacks` name other models, tried in order. `hedge_after` in seconds.
    """

    strategy: Strategy = "weighted"
    retries: int = 2
    retries_by_cause: Mapping[Cause, int] = {}
    fallbacks: tuple[str, ...] = ()
    context_fallbacks: tuple[str, ...] = ()
    content_fallbacks: tuple[str, ...] = ()
    timeouts: Timeouts = Timeouts()
    hedge_after: float | None = None
    cache: CachePolicy | None = None


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Out after `failures` in a row (0: never), for `cooldown` seconds times the number of openings in a row, at
    most `max_cooldown`.
    """

    failures: int = 5
    cooldown: float = 30.0
    max_cooldown: float = 300.0


class RoutingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all models. `default` is for those that nobody configured. `retry_budget`, `hedge_budget`:
    shares of the requests. `rate_limit_rest`, `queue_wait`: seconds.
    """

    default: ModelPolicy = ModelPolicy()
    breaker: BreakerPolicy = BreakerPolicy()
    retry_budget: float = 0.2
    hedge_budget: float = 0.02
    rate_limit_rest: float = 5.0
    queue_wait: float = 30.0
