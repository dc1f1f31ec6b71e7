"""Settings of tiers and budgets: who may use and spend how much. What the words mean: app.domain.limits."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from app.settings.quantities import Names, Seconds, Whole
from app.settings.section import Section

_TIER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def _tier_name(name: str) -> str:
    if not _TIER_NAME.fullmatch(name):
        raise ValueError("is no name for a tier: use letters, digits, '-', '_' and '.'")
    return name


class RateSettings(Section):
    unit: Literal["requests", "tokens", "input_tokens", "output_tokens", "concurrent"] = Field(
        description="What is counted; `concurrent`: requests under way at the same time."
    )
    limit: Annotated[Whole, Field(ge=1, le=10**15)] = Field(description="How much of it a caller may have.")
    window: Annotated[Seconds, Field(ge=1, le=366 * 86_400)] = Field(
        default=60, description="Within which time; it slides. Not for `concurrent`."
    )


def _told_apart(rates: tuple[RateSettings, ...]) -> tuple[RateSettings, ...]:
    kinds = [(rate.unit, 0.0 if rate.unit == "concurrent" else rate.window) for rate in rates]
    if len(set(kinds)) < len(kinds):
        raise ValueError("must have one limit for each unit and window")
    return rates


class TierSettings(Section):
    description: str | None = Field(default=None, description="For people.")
    level: Whole = Field(
        default=0, description="Of several tiers that a caller has groups of, the highest counts."
    )
    groups: Names = Field(default=(), description="Groups whose members are in it.")
    models: Names = Field(
        default=(), description="Models that its members may use, `*` stands for any text; all by default."
    )
    rates: Annotated[tuple[RateSettings, ...], AfterValidator(_told_apart)] = Field(
        default=(), description="Limits, all of which hold."
    )
    priority: Whole = Field(
        default=0, description="Where requests wait for a place, those of a higher one go first."
    )


class BudgetSettings(Section):
    """Without `key`, `team` and `each` it is the whole platform's."""

    usd: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] = Field(description="US dollars.")
    per: Literal["day", "month", "total"] = Field(
        default="month", description="By UTC; `total`: once and for all."
    )
    key: str | None = Field(default=None, description="The key whose it is, by its id, with all issued below it.")
    team: str | None = Field(default=None, description="The team whose it is.")
    each: Literal["key", "team"] | None = Field(
        default=None, description="Every key, with those issued below it, or every team has this much."
    )
    alert_at: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.8, description="The part of it that is told in the log once it is spent."
    )

    @model_validator(mode="after")
    def _of_one(self) -> "BudgetSettings":
        if sum(each is not None for each in (self.key, self.team, self.each)) > 1:
            raise ValueError("must name one of key, team and each")
        return self


TierName = Annotated[str, AfterValidator(_tier_name)]
