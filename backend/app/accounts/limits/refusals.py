"""What is said to a caller who has had enough for now."""

import math
from collections.abc import Sequence

from app.domain.errors import RateLimited
from app.domain.limits import Estimate, Rate, Standing

_SHORTEST = 1.0


def over(rate: Rate, seconds: float, standings: Sequence[Standing], estimate: Estimate) -> RateLimited:
    """`seconds` until it may be tried again; `estimate`: what the call would have taken."""
    wait = max(_SHORTEST, seconds)
    left = next((standing.remaining for standing in standings if standing.rate == rate), 0)
    again = f"try again in {math.ceil(wait):,} s"
    refusal = RateLimited(
        f"The limit of {rate.most} is reached{_reserved(rate, left, estimate)}{again}.",
        code="rate_limit_exceeded",
        retry_after=wait,
    )
    refusal.standings = standings
    return refusal


def _reserved(rate: Rate, left: int, estimate: Estimate) -> str:
    """Where something is left, it is the size of this very request that does not fit, and a smaller one may."""
    if "tokens" not in rate.unit or not left:
        return "; "
    remaining = f"{left:,} {'is' if left == 1 else 'are'} left"
    said = f": {remaining}, and this request takes {estimate.of(rate.unit):,} until its end"
    if rate.unit == "input_tokens" or not estimate.output_tokens:
        return f"{said}. Shorten its prompt, or "
    whose = "as it names no maximum" if estimate.assumed else "its own maximum"
    return f"{said}, {estimate.output_tokens:,} of them for its answer, {whose}. Set a smaller max_tokens, or "
