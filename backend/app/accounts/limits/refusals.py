"""What is said to a caller who has had enough for now."""

import math

from app.domain.errors import RateLimited
from app.domain.limits import Rate

_SHORTEST = 1.0


def over(rate: Rate, seconds: float) -> RateLimited:
    """`seconds` until it may be tried again."""
    unit = "requests at the same time" if rate.unit == "concurrent" else rate.unit.replace("_", " ")
    span = "" if rate.unit == "concurrent" else f" in {_span(rate.window)}"
    wait = max(_SHORTEST, seconds)
    return RateLimited(
        f"The limit of {rate.limit} {unit}{span} is reached; try again in {math.ceil(wait)} s.",
        code="rate_limit_exceeded",
        retry_after=wait,
    )


def _span(seconds: float) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"a {name}".replace("a hour", "an hour") if count == 1 else f"{count} {name}s"
    return f"{seconds:g} s"
