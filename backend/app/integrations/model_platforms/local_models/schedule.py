"""When models are to be in memory before anybody asks: times of day, on some days of the week, by the machine's
clock.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Prewarm(BaseModel):
    """`models` are loaded at each of `at`, on each of `days`; without days on all."""

    model_config = ConfigDict(extra="forbid")

    models: list[str] = Field(min_length=1)
    at: list[time] = Field(min_length=1)
    days: list[Day] = list(DAYS)


def next_due(plan: Sequence[Prewarm], now: datetime) -> tuple[datetime, list[str]] | None:
    """The next moment after `now`, and which models are due then; None where nothing is planned."""
    due: dict[datetime, list[str]] = {}
    for each in plan:
        moment = _next(each, now)
        if moment is not None:
            due.setdefault(moment, []).extend(each.models)
    return min(due.items()) if due else None


def _next(each: Prewarm, now: datetime) -> datetime | None:
    moments = (
        datetime.combine(now.date() + timedelta(days=ahead), at)
        for ahead in range(8)
        for at in each.at
        if DAYS[(now.date() + timedelta(days=ahead)).weekday()] in each.days
    )
    return min((moment for moment in moments if moment > now), default=None)
