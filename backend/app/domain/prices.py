"""What tokens cost, and time. Which model costs how much is told by a table; see app.inference.price_list."""

import msgspec

from app.domain.usage import Usage

PER_MILLION = 1_000_000


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars per million tokens. `cached_input` and `cache_write` are `input` where they are None. `per_hour`:
    for each hour that a request takes, besides.
    """

    input: float
    output: float = 0.0
    cached_input: float | None = None
    cache_write: float | None = None
    per_hour: float = 0.0

    def cost(self, usage: Usage) -> float:
        """US dollars, without the time."""
        cached = self.input if self.cached_input is None else self.cached_input
        written = self.input if self.cache_write is None else self.cache_write
        fresh = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
        return (
            fresh * self.input
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * written
            + usage.output_tokens * self.output
        ) / PER_MILLION


def dollars(amount: float) -> str:
    """With cents; less than one dollar with as many decimals as it has, for a small sum is not none."""
    if amount >= 1:
        return f"{amount:,.2f}"
    return "0." + f"{amount:.9f}"[2:].rstrip("0").ljust(2, "0")
