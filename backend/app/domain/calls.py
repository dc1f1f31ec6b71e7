"""A call that is over, as it is told to whoever keeps count of calls: metrics, traces, the ledger."""

import msgspec

from app.domain.tracing import Trace
from app.domain.usage import Usage


class Tried(msgspec.Struct, frozen=True, gc=False):
    """One upstream request, sent `at` so many seconds after the call began. `seconds` to its first event or its
    failure, `waited` in line before. `failure`: the kind of the error, `message`: its words. `dropped`: fields
    that the target could not be told. `hedge`: it was sent beside another that was silent; `lost`: the other one
    of the two answered first. `span`: its own in the trace, where one is recorded.
    """

    name: str
    integration: str
    model: str
    seconds: float
    waited: float = 0.0
    failure: str | None = None
    message: str | None = None
    dropped: tuple[str, ...] = ()
    at: float = 0.0
    hedge: bool = False
    lost: bool = False
    span: str = ""


class EndedCall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`model` is the caller's own word, and callers invent names without end; `meant`: what it was found to be,
    None where it was not looked up. `integration`, `target_model`: who was asked last. `attempts`: how many were
    asked. `outcome`: ok, cancelled, or the kind of the error. Durations in seconds, None if never reached. `cost`
    in US dollars, None where no price is known. `cached`: hit, coalesced or replayed, where no provider was asked.
    `error`: its words, `code`: its machine word. `purse`: as the principal has it. `charged`: the limits that it
    counted against. `trace`: the one that it is part of.

    Thousands are kept for a while, so the garbage collector is told to let them be: there are no circles in them.
    """

    id: str
    principal: str
    front_end: str
    operation: str
    model: str
    integration: str | None
    target_model: str | None
    attempts: int
    outcome: str
    seconds: float
    first_event_seconds: float | None
    usage: Usage | None
    key: str | None = None
    purse: str | None = None
    team: str | None = None
    tier: str | None = None
    cost: float | None = None
    stream: bool = False
    cached: str | None = None
    error: str | None = None
    code: str | None = None
    charged: tuple[str, ...] = ()
    meant: str | None = None
    tried: tuple[Tried, ...] = ()
    trace: Trace | None = None
