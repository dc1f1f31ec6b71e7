"""Tiers and budgets as administrators set them. The words are those of the configuration (app.settings.tiers)."""

from typing import Annotated, Generic, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

from app.accounts.keys.schemas import NAME, Line, Word, Words
from app.accounts.usage.schemas import NANOS
from app.domain.errors import InvalidRequest
from app.domain.limits import Budget, Rate, Tier, Unit

T = TypeVar("T", Tier, Budget)

Kind = Literal["tier", "budget"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Whole = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=NAME)]


class RateWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`window` in seconds; it means nothing for `concurrent`."""

    unit: Unit
    limit: Annotated[int, Meta(ge=1, le=10**15)]
    window: Annotated[float, Meta(ge=1, le=366 * 86_400)] = 60.0


class TierWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out has the value that it has in the configuration: no groups, all models, no limits."""

    level: Whole = 0
    groups: Words = ()
    models: Words = ()
    rates: Annotated[tuple[RateWanted, ...], Meta(max_length=32)] = ()
    priority: Whole = 0
    description: Line = ""


class BudgetWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without `key`, `team` and `each` it is the whole platform's."""

    usd: Annotated[float, Meta(gt=0, le=1e9)]
    per: Literal["day", "month", "total"] = "month"
    key: Word | None = None
    team: Word | None = None
    each: Literal["key", "team"] | None = None
    alert_at: Annotated[float, Meta(gt=0, le=1)] = 0.8


class Kept(msgspec.Struct, Generic[T], frozen=True):
    """One that the database has. `updated_by`: a principal."""

    thing: T
    updated_at: float
    updated_by: str


def tier_of(name: str, wanted: TierWanted) -> Tier:
    """Raises InvalidRequest."""
    checked(name)
    kinds = [(rate.unit, 0.0 if rate.unit == "concurrent" else rate.window) for rate in wanted.rates]
    if len(set(kinds)) < len(kinds):
        raise InvalidRequest("Give one limit for each unit and window.", param="rates")
    return Tier(
        name=name,
        level=wanted.level,
        groups=wanted.groups,
        models=wanted.models,
        rates=tuple(Rate(unit=each.unit, limit=each.limit, window=each.window) for each in wanted.rates),
        priority=wanted.priority,
        description=wanted.description,
    )


def budget_of(name: str, wanted: BudgetWanted) -> Budget:
    """Raises InvalidRequest."""
    checked(name)
    if sum(each is not None for each in (wanted.key, wanted.team, wanted.each)) > 1:
        raise InvalidRequest("Name one of 'key', 'team' and 'each', or none for the platform's.", param="each")
    return Budget(
        name=name,
        limit=max(1, round(wanted.usd * NANOS)),
        scope=wanted.each or ("key" if wanted.key else "team" if wanted.team else "platform"),
        id=wanted.key or wanted.team or "",
        window=wanted.per,
        alert=wanted.alert_at,
    )


def checked(name: str) -> str:
    """Raises InvalidRequest."""
    try:
        return msgspec.convert(name, Name)
    except msgspec.ValidationError:
        words = "A name is up to 64 letters, digits, '-', '_' and '.', and begins with a letter or a digit."
        raise InvalidRequest(words, param="name") from None
