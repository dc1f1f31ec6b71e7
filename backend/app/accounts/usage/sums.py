"""Calls added up: by hour for reports, by day for budgets. Keys and values are those of the tables' columns."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from app.accounts.usage.schemas import Entry

HOUR = 3600
DAY = 86_400

Sums = dict[tuple[int | str, ...], list[int | float]]


def by_hour(entries: Iterable[Entry]) -> Sums:
    """As app.accounts.tables.USAGE_HOURS has them."""
    groups: defaultdict[tuple[int | str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        # A name that led to no target may be the caller's own text, and there is no end to those.
        model = entry.model if entry.integration or entry.cached or entry.listed else ""
        hour, team = int(entry.at // HOUR), entry.team or ""
        key = hour, entry.principal, entry.key_id or "", team, model, entry.integration or "", entry.front_end
        groups[key].append(entry)
    return {key: _figures(group) for key, group in groups.items()}


def spending(entries: Iterable[Entry]) -> Sums:
    """As app.accounts.tables.SPENDING has them."""
    sums: Sums = {}
    for entry in entries:
        if entry.cost:
            key = int(entry.at // DAY), entry.key_id or "", entry.team or ""
            sums[key] = [entry.cost + sums.get(key, [0])[0]]
    return sums


def _figures(group: Sequence[Entry]) -> list[int | float]:
    """Column by column: there are thousands of calls in few groups."""
    outcomes = [entry.outcome for entry in group]
    cancelled = outcomes.count("cancelled")
    costs = [entry.cost for entry in group]
    return [
        len(group),
        len(group) - outcomes.count("ok") - cancelled,
        cancelled,
        sum([entry.cached is not None for entry in group]),
        sum([entry.attempts for entry in group]),
        sum([entry.estimated for entry in group]),
        sum([entry.cost is None and entry.attempts > 0 for entry in group]),
        sum([entry.input_tokens for entry in group]),
        sum([entry.output_tokens for entry in group]),
        sum([entry.cached_tokens for entry in group]),
        sum([entry.cache_write_tokens for entry in group]),
        sum([entry.reasoning_tokens for entry in group]),
        sum([entry.seconds for entry in group]),
        sum(filter(None, costs)),
    ]
