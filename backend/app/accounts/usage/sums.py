"""Calls added up: by hour for reports, by day for budgets. Keys and values are those of the tables' columns."""

from collections.abc import Iterable

from app.accounts.usage.schemas import Entry

HOUR = 3600
DAY = 86_400

Sums = dict[tuple[int | str, ...], list[int | float]]


def by_hour(entries: Iterable[Entry]) -> Sums:
    """As app.accounts.tables.USAGE_HOURS has them."""
    sums: Sums = {}
    for entry in entries:
        # A name that led to no target is the caller's own text, and there is no end to those.
        model = entry.model if entry.integration or entry.cached else ""
        key = (
            int(entry.at // HOUR),
            entry.principal,
            entry.key_id or "",
            entry.team or "",
            model,
            entry.integration or "",
            entry.front_end,
        )
        _add(sums, key, _values(entry))
    return sums


def spending(entries: Iterable[Entry]) -> Sums:
    """As app.accounts.tables.SPENDING has them."""
    sums: Sums = {}
    for entry in entries:
        if entry.cost:
            _add(sums, (int(entry.at // DAY), entry.key_id or "", entry.team or ""), [entry.cost])
    return sums


def _values(entry: Entry) -> list[int | float]:
    cancelled = entry.outcome == "cancelled"
    return [
        1,
        int(entry.outcome != "ok" and not cancelled),
        int(cancelled),
        int(entry.cached is not None),
        entry.attempts,
        int(entry.estimated),
        int(entry.cost is None and entry.attempts > 0),
        entry.input_tokens,
        entry.output_tokens,
        entry.cached_tokens,
        entry.cache_write_tokens,
        entry.reasoning_tokens,
        entry.seconds,
        entry.cost or 0,
    ]


def _add(sums: Sums, key: tuple[int | str, ...], values: list[int | float]) -> None:
    found = sums.get(key)
    sums[key] = values if found is None else [a + b for a, b in zip(found, values, strict=True)]
