"""What is said to a caller who has had enough for now."""

import math
from collections.abc import Sequence

from app.domain.errors import RateLimited
from app.domain.limits import Rate, Standing

_SHORTEST = 1.0


def over(rate: Rate, seconds: float, standings: Sequence[Standing] = ()) -> RateLimited:
    """`seconds` until it may be tried again."""
    wait = max(_SHORTEST, seconds)
    refusal = RateLimited(
        f"The limit of {rate.limit:,} {rate.name} is reached; try again in {math.ceil(wait):,} s.",
        code="rate_limit_exceeded",
        retry_after=wait,
    )
    refusal.standings = standings
    return refusal
