"""How a caller stands with its limits, for front-ends whose answers have no headers: with each of them.

As headers do, it tells what is left once the request has taken what it may need; the rest comes back at its end.
"""

from collections.abc import Sequence

import msgspec

from app.domain.limits import Standing, Unit


class LimitTold(msgspec.Struct, frozen=True):
    """`remaining` of `limit` in any `window` seconds; `reset`: seconds until all of it is there again."""

    unit: Unit
    limit: int
    window: float
    remaining: int
    reset: float


def told(standings: Sequence[Standing]) -> list[LimitTold]:
    return [
        LimitTold(each.rate.unit, each.rate.limit, each.rate.window, each.remaining, round(each.reset, 3))
        for each in standings
    ]
