"""What is asked of the ledger, and what it tells: sums of the hours, grouped as wanted."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec

from app.accounts.usage.schemas import NANOS
from app.accounts.usage.sums import HOUR
from app.domain.errors import InvalidRequest

Dimension = Literal["day", "hour", "principal", "key", "team", "model", "integration", "front_end"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
MOST_ROWS = 10_000
_ROWS = 1000
_HOURS = {"day": 24, "hour": 1}

Value = str | int
Cursor = tuple[Value, ...]


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`since` and `until` in Unix seconds; the hours that they fall into count whole. `where`: what a dimension
    must be. `after`: the `next` of the page before.
    """

    since: float
    until: float
    group_by: tuple[Dimension, ...] = ()
    where: Mapping[Dimension, str] = {}
    limit: int = _ROWS
    after: str | None = None

    def __post_init__(self) -> None:
        """Raises InvalidRequest."""
        if self.since >= self.until:
            raise InvalidRequest("`from` must lie before `to`.", param="from")
        if not 1 <= self.limit <= MOST_ROWS:
            raise InvalidRequest(f"`limit` must lie between 1 and {MOST_ROWS}.", param="limit")
        if len(set(self.group_by)) < len(self.group_by):
            raise InvalidRequest("`group_by` names something twice.", param="group_by")

    @property
    def hours(self) -> tuple[int, int]:
        """The first, and the one after the last."""
        return int(self.since // HOUR), int(-(-self.until // HOUR))

    @property
    def cursor(self) -> Cursor | None:
        """Raises InvalidRequest."""
        return None if self.after is None else _opened(self.after, self.group_by)


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """`errors` leaves out what was `cancelled`. `cached`: answered from the cache, or together with another.
    `estimated`, `unpriced`: requests whose tokens were counted here, and those that no price is known for.
    `seconds`: all together. `cost` in US dollars.
    """

    requests: int
    errors: int
    cancelled: int
    cached: int
    attempts: int
    estimated: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    seconds: float
    cost: float


FIGURES = Sums.__struct_fields__


class Waiting(msgspec.Struct, frozen=True):
    """What is not in the database yet, of all who share the folder, and whether it takes nothing now. `lost`:
    calls of this process that there was no room for.
    """

    bytes: int
    failing: bool
    lost: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`rows`: what was grouped by, in its order, and the sums. `next`: where the next page goes on, None on the
    last. `complete`: whether all that this process has recorded is in there.
    """

    since: float
    until: float
    group_by: tuple[Dimension, ...]
    rows: list[tuple[tuple[str, ...], Sums]]
    next: str | None
    complete: bool
    waiting: Waiting


def report(
    query: UsageQuery, found: list[tuple[Value | float, ...]], *, complete: bool, waiting: Waiting
) -> Report:
    """`found`: of the database, one row more than is wanted if there is one."""
    width, (first, last) = len(query.group_by), query.hours
    page = found[: query.limit]
    more = len(found) > query.limit
    return Report(
        since=first * HOUR,
        until=last * HOUR,
        group_by=query.group_by,
        rows=[(_words(query.group_by, row[:width]), _sums(row[width:])) for row in page],
        next=_closed(page[-1][:width]) if more else None,
        complete=complete,
        waiting=waiting,
    )


def _words(group_by: tuple[Dimension, ...], values: tuple[Value | float, ...]) -> tuple[str, ...]:
    return tuple(
        _time(each, int(value) * _HOURS[each] * HOUR) if each in _HOURS else str(value)
        for each, value in zip(group_by, values, strict=True)
    )


def _time(dimension: Dimension, at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d" if dimension == "day" else "%Y-%m-%dT%H:%M:%SZ")


def _sums(values: tuple[Value | float, ...]) -> Sums:
    *counts, seconds, cost = (value or 0 for value in values)
    figures = [*map(int, counts), float(seconds), int(cost) / NANOS]
    return Sums(**dict(zip(FIGURES, figures, strict=True)))  # type: ignore[arg-type]


def _closed(values: tuple[Value | float, ...]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def _opened(text: str, group_by: tuple[Dimension, ...]) -> Cursor:
    try:
        values = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Cursor)
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        values = ()
    kinds = tuple(int if each in _HOURS else str for each in group_by)
    if not values or tuple(map(type, values)) != kinds:
        raise InvalidRequest("`after` is not the `next` of an answer that was grouped alike.", param="after")
    return values
