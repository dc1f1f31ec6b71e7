"""What can be seen of the platform from outside the path of requests. For metrics; nothing here waits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec


class TargetState(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one integration, as this process knows it. `breaker`: closed, open or half_open. `in_flight`:
    requests to it under way. `waiting`: calls in line for one of its `slots`, None where it has no such limit.
    """

    integration: str
    model: str
    breaker: str
    in_flight: int
    waiting: int
    slots: int | None


class OfferState(msgspec.Struct, frozen=True, kw_only=True):
    """What an integration has: `active` models that can be asked now, and of those that come and go, how many are
    in memory (`loaded`).
    """

    active: int
    loaded: int


class BudgetState(msgspec.Struct, frozen=True, kw_only=True):
    """`limit` in US dollars. `used`: the part of it that is spent, 1 for all of it; where each key or team has one
    of its own, that of whoever has used most of it. `alert`: the part that somebody should hear of.
    """

    name: str
    limit: float
    used: float
    alert: float


class LedgerState(msgspec.Struct, frozen=True, kw_only=True):
    """`waiting`: bytes of usage on disk that are not in the database yet, of all processes that share the folder.
    `failing`: whether the database takes none now. `lost`: calls of this process that there was no room for.
    """

    waiting: int
    failing: bool
    lost: int


@runtime_checkable
class Observable(Protocol):
    """`context.resource(Observable)` gives it to an integration."""

    def knows_model(self, name: str) -> bool:
        """Whether it is a name of the catalogue. Of other names there is no end: callers make them up."""
        ...

    def knows_target(self, integration: str, model: str) -> bool:
        """Whether the configuration names it, or the integration lists it."""
        ...

    def targets(self) -> Iterable[TargetState]:
        """Those of the catalogue that have been asked or are limited; of others there is nothing to tell."""
        ...

    def offers(self) -> Mapping[str, OfferState]:
        """By integration."""
        ...

    def unserved(self) -> Mapping[str, Sequence[str]]:
        """The models that can't be asked now, each with the integrations that would be."""
        ...

    def active_calls(self) -> int: ...

    async def budgets(self) -> Iterable[BudgetState]: ...

    def ledger(self) -> LedgerState | None:
        """None where no usage is kept."""
        ...

    def refused_keys(self) -> Mapping[str, int]:
        """How many callers were turned away for their key since the start, by reason."""
        ...
