"""What a caller may use in a time, and what is left of it."""

from collections.abc import Awaitable, Sequence
from typing import Literal, Protocol, get_args

import msgspec

from app.domain.patterns import matches
from app.domain.principal import Principal
from app.domain.usage import Usage

Unit = Literal["requests", "tokens", "input_tokens", "output_tokens", "concurrent"]
UNITS: tuple[Unit, ...] = get_args(Unit)

Amounts = tuple[int, int, int, int, int]
"""How much of each unit, in the order of UNITS."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit` of `unit` in any `window` seconds. `concurrent` counts what is under way."""

    unit: Unit
    limit: int
    window: float = 60.0

    @property
    def name(self) -> str:
        """For people: what is counted, and in which time."""
        words = self.unit.replace("_", " ")
        return "requests at the same time" if self.unit == "concurrent" else f"{words} in {span(self.window)}"

    @property
    def most(self) -> str:
        """For people: how much of what. "1 request in a minute"."""
        name = (
            self.name if self.limit != 1 else self.name.replace("requests", "request").replace("tokens", "token")
        )
        return f"{self.limit:,} {name}"


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Who is in one of `groups` has the rates of the tier with the highest `level`. `models`: patterns of those
    that its members may use; none means all. `priority`: where requests wait, those of a higher one go first.
    """

    name: str
    level: int = 0
    groups: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    rates: tuple[Rate, ...] = ()
    priority: int = 0
    description: str = ""

    def may_use(self, model: str) -> bool:
        """`model` as the caller names it."""
        return not self.models or matches(self.models, model)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit` billionths of a US dollar in each day, month or altogether. `id`: of the key or the team; ""
    with `scope` key or team: each of them has this much. `alert`: the part of it that somebody should hear of.
    """

    name: str
    limit: int
    scope: Literal["key", "team", "platform"] = "platform"
    id: str = ""
    window: Literal["day", "month", "total"] = "month"
    alert: float = 0.8


class BudgetReached(msgspec.Struct, frozen=True, kw_only=True):
    """An event for whoever watches: so much of a budget is spent. `id`: whose, where each key or team has one.
    `whole`: nothing is left, and requests are refused.
    """

    budget: Budget
    id: str
    spent: int
    whole: bool


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How a caller stands with one rate: `remaining` of it, `reset` in seconds until all of it is there again."""

    rate: Rate
    remaining: int
    reset: float


class Reservation(Protocol):
    """What was taken for a call before it began. It is settled once, when the call is over."""

    @property
    def standings(self) -> Sequence[Standing]:
        """After the taking."""
        ...

    def settle(self, usage: Usage | None) -> None:
        """Exchange the estimate for what was used; None: nothing was, and all but the request is given back."""
        ...


class Estimate(msgspec.Struct, frozen=True):
    """Tokens that a call will take, as far as can be told before. `assumed`: its request names no maximum."""

    input_tokens: int
    output_tokens: int
    assumed: bool = False

    @property
    def amounts(self) -> Amounts:
        return 1, self.input_tokens + self.output_tokens, self.input_tokens, self.output_tokens, 1

    def of(self, unit: Unit) -> int:
        return self.amounts[UNITS.index(unit)]


_NOTHING: Amounts = (1, 0, 0, 0, 0)


def used(usage: Usage | None) -> Amounts:
    """What a call used that is over. A request stays one, whatever became of it."""
    if usage is None:
        return _NOTHING
    read, written = usage.input_tokens, usage.output_tokens
    return 1, read + written, read, written, 0


class Admission(Protocol):
    """Whether a caller may ask now."""

    def check_budgets(self, principal: Principal) -> None:
        """Raises BudgetExceeded."""
        ...

    def tier_of(self, principal: Principal) -> Tier | None:
        """None: nothing is said of such callers."""
        ...

    def reserve(self, principal: Principal, tier: Tier, estimate: Estimate) -> Awaitable[Reservation]:
        """Take it of every rate of the tier, or nothing. Raises RateLimited."""
        ...


def span(seconds: float) -> str:
    """A time as one says it: a minute, 2 hours, 90 s."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"a {name}".replace("a hour", "an hour") if count == 1 else f"{count} {name}s"
    return f"{seconds:g} s"
