"""Tiers and budgets as GraphQL shows and takes them."""

import dataclasses
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

import msgspec
import strawberry

from app.accounts.allowances.schemas import BudgetWanted, TierWanted
from app.api import budgets, tiers
from app.api.graphql.keys import converted_fields
from app.api.graphql.request import Asking
from app.api.graphql.scalars import Count, moment

T = TypeVar("T")


@strawberry.enum(description="What a limit counts.")
class LimitUnit(Enum):
    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    CONCURRENT = "concurrent"


@strawberry.enum(description="The time that a budget is for, by UTC.")
class BudgetPeriod(Enum):
    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


@strawberry.enum
class BudgetScope(Enum):
    KEY = "key"
    TEAM = "team"


@strawberry.enum(description="Who defines it. What the configuration does is changed there alone.")
class DefinedIn(Enum):
    CONFIGURATION = "configuration"
    DATABASE = "database"


@strawberry.type(description="At most `limit` of `unit` in any `window` seconds.")
class Rate:
    unit: LimitUnit
    limit: Count
    window: float


@strawberry.type(description="How much its members may use, and of what.")
class Tier:
    name: str
    level: int
    groups: list[str]
    models: list[str] = strawberry.field(description="Patterns of the models that they may use; none means all.")
    rates: list[Rate]
    priority: int
    description: str
    default: bool = strawberry.field(description="Whether it is that of callers who are in no other.")
    defined_in: DefinedIn
    defined_at: str | None = strawberry.field(description="Where in the configuration.")
    updated_at: datetime | None
    updated_by: str | None


@strawberry.type(description="In US dollars, of the present period.")
class BudgetHolder:
    id: str | None = strawberry.field(description="Of the key, or the team; null for the platform.")
    spent: float
    remaining: float


@strawberry.type(description="Money that may be spent, and what is left of it.")
class Budget:
    name: str
    usd: float
    per: BudgetPeriod
    key: str | None
    team: str | None
    each: BudgetScope | None
    alert_at: float
    holders: list[BudgetHolder] = strawberry.field(
        description="Whose it is; of each key's or team's those who have spent the most."
    )
    resets_at: datetime | None = strawberry.field(description="When the present period ends.")
    complete: bool = strawberry.field(description="Whether what was spent before the start is known.")
    defined_in: DefinedIn
    defined_at: str | None = strawberry.field(description="Where in the configuration.")
    updated_at: datetime | None
    updated_by: str | None


@strawberry.input
class RateInput:
    unit: LimitUnit
    limit: Count
    window: float = 60.0


@strawberry.input(description="The whole tier: what is left out is as if it had never been set.")
class TierInput:
    level: int = 0
    groups: list[str] = strawberry.field(default_factory=list)
    models: list[str] = strawberry.field(default_factory=list)
    rates: list[RateInput] = strawberry.field(default_factory=list)
    priority: int = 0
    description: str = ""


@strawberry.input(description="Without `key`, `team` and `each` it is the whole platform's.")
class BudgetInput:
    usd: float
    per: BudgetPeriod = BudgetPeriod.MONTH
    key: str | None = None
    team: str | None = None
    each: BudgetScope | None = None
    alert_at: float = 0.8


async def list_tiers(info: Asking) -> list[Tier]:
    return [_tier(each) for each in await tiers.tiers(info.context.api, info.context.principal)]


async def list_budgets(info: Asking) -> list[Budget]:
    return [_budget(each) for each in await budgets.budgets(info.context.api, info.context.principal)]


async def set_tier(info: Asking, name: str, input: TierInput) -> Tier:
    wanted = _wanted(input, TierWanted)
    return _tier(await tiers.set_tier(info.context.api, info.context.actor(), name, wanted))


async def set_budget(info: Asking, name: str, input: BudgetInput) -> Budget:
    wanted = _wanted(input, BudgetWanted)
    return _budget(await budgets.set_budget(info.context.api, info.context.actor(), name, wanted))


async def delete_tier(info: Asking, name: str) -> str:
    await tiers.delete_tier(info.context.api, info.context.actor(), name)
    return name


async def delete_budget(info: Asking, name: str) -> str:
    await budgets.delete_budget(info.context.api, info.context.actor(), name)
    return name


def _tier(shown: tiers.TierShown) -> Tier:
    rates = [Rate(unit=LimitUnit(each.unit), limit=Count(each.limit), window=each.window) for each in shown.rates]
    return Tier(
        **_fields(shown),
        groups=list(shown.groups),
        models=list(shown.models),
        rates=rates,
    )


def _budget(shown: budgets.BudgetShown) -> Budget:
    return Budget(
        **_fields(shown),
        per=BudgetPeriod(shown.per),
        each=BudgetScope(shown.each) if shown.each else None,
        holders=[BudgetHolder(**msgspec.structs.asdict(each)) for each in shown.holders],
        resets_at=None if shown.resets_at is None else moment(shown.resets_at),
    )


_OWN = {
    "object",
    "groups",
    "models",
    "rates",
    "per",
    "each",
    "holders",
    "resets_at",
    "defined_in",
    "updated_at",
}
"""Fields that are of another type here, or not there."""


def _fields(shown: tiers.TierShown | budgets.BudgetShown) -> dict[str, Any]:
    plain = {name: getattr(shown, name) for name in shown.__struct_fields__ if name not in _OWN}
    at = None if shown.updated_at is None else moment(shown.updated_at)
    return {**plain, "defined_in": DefinedIn(shown.defined_in), "updated_at": at}


def _wanted(input: TierInput | BudgetInput, kind: type[T]) -> T:
    """Raises InvalidRequest."""
    return converted_fields(dataclasses.asdict(input, dict_factory=_plain), kind)


def _plain(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value.value if isinstance(value, Enum) else value for name, value in fields}
