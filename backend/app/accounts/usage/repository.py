"""The ledger as statements over its tables. Importing this loads SQLAlchemy.

A batch is one transaction. Only rows that were not there yet are added to the sums, so that what is written twice
counts once.
"""

# ruff: noqa: S608 - names of tables and columns are put into statements, all of them from tables.py

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import astuple
from sqlalchemy import Table, TextClause, select, text, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.accounts.tables import ATTEMPTS, REQUESTS, SPENDING, USAGE_HOURS
from app.accounts.usage.report import FIGURES, Dimension, UsageQuery
from app.accounts.usage.schemas import AttemptEntry, Entry
from app.accounts.usage.sums import Sums, by_hour, spending

_POSTGRES = "postgresql"
_LOCK = 0x6C6C6D757361
"""Of PostgreSQL's advisory locks, the one that is ours while partitions are made or dropped."""

_AT_ONCE = 5000
"""Rows that are deleted in one go where there are no partitions."""


_REFUSALS = ("22", "23")
"""Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_COLUMNS: Mapping[Dimension, str] = {
    "day": "(hour / 24)",
    "hour": "hour",
    "principal": "principal",
    "key": "key_id",
    "team": "team",
    "model": "model",
    "integration": "integration",
    "front_end": "front_end",
}

_ROWS = 50
"""Of each statement on SQLite, always: the driver keeps what it has prepared. After each one its thread waits for
the interpreter, as it would for each row that a statement returned.
"""

Row = tuple[Any, ...]
_REQUEST = [field for field in Entry.__struct_fields__ if field in REQUESTS.c]
_ATTEMPT = ["at", "id", "number", *AttemptEntry.__struct_fields__]
_sums = msgspec.json.Decoder(list[tuple[str, str, int]]).decode
_request: Callable[[Row], Row] = itemgetter(*map(Entry.__struct_fields__.index, _REQUEST))


class Known(Exception):
    """Some of them are there already."""


def refused(error: BaseException | None) -> bool:
    """Whether the database answered that it won't have these rows, now or ever."""
    while error is not None:
        if isinstance(error, DBAPIError):
            state = getattr(error.orig, "sqlstate", None) or ""
            return isinstance(error, DataError | IntegrityError) or state.startswith(_REFUSALS)
        error = error.__cause__
    return False


async def add(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Raises Known, for the transaction to be undone, if any are there already: add those that are `missing`."""
    if connection.dialect.name == _POSTGRES:
        await _make_partitions(connection, entries)
    requests = [*map(_request, map(astuple, entries))]
    if await _insert(connection, REQUESTS, _REQUEST, requests) < len(requests):
        raise Known
    attempts = [
        (entry.at, entry.id, number, *astuple(attempt))
        for entry in entries
        for number, attempt in enumerate(entry.tried, 1)
    ]
    await _insert(connection, ATTEMPTS, _ATTEMPT, attempts)
    await _add_up(connection, USAGE_HOURS, by_hour(entries))
    await _add_up(connection, SPENDING, spending(entries))


async def missing(connection: AsyncConnection, entries: Sequence[Entry]) -> list[Entry]:
    """Those that are not there yet, each of them once."""
    wanted = {(entry.at, entry.id): entry for entry in entries}
    query = select(REQUESTS.c.at, REQUESTS.c.id).where(tuple_(REQUESTS.c.at, REQUESTS.c.id).in_([*wanted]))
    known = {tuple(row) for row in await connection.execute(query)}
    return [entry for key, entry in wanted.items() if key not in known]


async def drop_before(connection: AsyncConnection, at: float) -> int:
    """Calls, and their attempts, that ended before: whole months, or some thousand rows. How many of either went;
    the rest goes with the next calls, till there are none.
    """
    if connection.dialect.name == _POSTGRES:
        return await _drop_partitions(connection, at)
    return sum([await _drop_rows(connection, table.name, at) for table in (REQUESTS, ATTEMPTS)])


async def drop_hours_before(connection: AsyncConnection, hour: int) -> None:
    await connection.execute(text("DELETE FROM usage_hours WHERE hour < :hour"), {"hour": hour})


async def spent(
    connection: AsyncConnection, first: int, last: int | None, month: int
) -> Iterator[tuple[int, str, str, int]]:
    """(day, key_id, team, cost) of the days from `first` on, to the one before `last`. Those before `month` are
    one, day 0.

    The database tells a day in one row, which takes a fifth of the time and leaves most of it to others: there may
    be a hundred thousand keys.
    """
    sums = "SELECT day AS since, key_id, team, cost FROM spending WHERE day >= :first"
    times = {"first": first}
    if last is not None:
        sums = (
            "SELECT CASE WHEN day < :month THEN 0 ELSE day END AS since, key_id, team, SUM(cost) AS cost"
            " FROM spending WHERE day >= :first AND day < :last GROUP BY since, key_id, team"
        )
        times |= {"month": month, "last": last}
    lists = "json_agg(json_build_array" if connection.dialect.name == _POSTGRES else "json_group_array(json_array"
    query = text(f"SELECT since, CAST({lists}(key_id, team, cost)) AS TEXT) FROM ({sums}) AS sums GROUP BY since")
    days = (await connection.execute(query, times)).all()
    return ((day, *each) for day, listed in days for each in _sums(listed))


async def report(connection: AsyncConnection, query: UsageQuery) -> Sequence[Any]:
    """What it is grouped by, then FIGURES; one row more than is wanted, if there is one."""
    groups = [_COLUMNS[each] for each in query.group_by]
    first, last = query.hours
    values: dict[str, Any] = {"first": first, "last": last, "limit": query.limit + 1}
    conditions = ["hour >= :first", "hour < :last"]
    for dimension, wanted in query.where.items():
        conditions.append(f"{_COLUMNS[dimension]} = :{dimension}")
        values[dimension] = wanted
    if (cursor := query.cursor) is not None:
        values |= {f"after{number}": value for number, value in enumerate(cursor)}
        names = ", ".join(f":after{number}" for number in range(len(cursor)))
        conditions.append(f"({', '.join(groups)}) > ({names})")
    by = ", ".join(groups)
    statement = (
        f"SELECT {', '.join([*groups, *(f'SUM({name})' for name in FIGURES)])} FROM usage_hours"
        f" WHERE {' AND '.join(conditions)}"
        + (f" GROUP BY {by} ORDER BY {by}" if groups else "")
        + " LIMIT :limit"
    )
    return (await connection.execute(text(statement), values)).all()


async def _insert(connection: AsyncConnection, table: Table, names: Sequence[str], rows: Sequence[Row]) -> int:
    """How many were not there yet; the others stay as they are."""
    if not rows:
        return 0
    into = f"INSERT INTO {table.name} ({', '.join(names)})"
    if connection.dialect.name == _POSTGRES:
        # One parameter, whatever the number of rows: so there is one statement to prepare.
        source = f"json_to_recordset(CAST(:rows AS json)) AS row({_types(table)})"
        query = text(f"{into} SELECT {', '.join(names)} FROM {source} ON CONFLICT DO NOTHING")
        named = [dict(zip(names, row, strict=True)) for row in rows]
        return (await connection.execute(query, {"rows": msgspec.json.encode(named).decode()})).rowcount
    one = f"({', '.join('?' * len(names))})"
    statement = f"{into} VALUES {', '.join([one] * _ROWS)} ON CONFLICT DO NOTHING"
    # The last one fills up its statement: it is in its own way there.
    full = [*rows, *[rows[-1]] * (-len(rows) % _ROWS)]
    values = [tuple(chain.from_iterable(full[at : at + _ROWS])) for at in range(0, len(full), _ROWS)]
    return (await connection.exec_driver_sql(statement, values)).rowcount


def _types(table: Table) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return ", ".join(f"{column.name} {column.type.compile(dialect)}" for column in table.c)


async def _add_up(connection: AsyncConnection, table: Table, sums: Sums) -> None:
    """In the order of their keys, so that no two who do this wait for each other."""
    if sums:
        query, names = _addition(table)
        rows = [dict(zip(names, (*key, *sums[key]), strict=True)) for key in sorted(sums)]
        await connection.execute(query, rows)


@cache
def _addition(table: Table) -> tuple[TextClause, Sequence[str]]:
    """The statement, and the names of what it is given, those of the key first."""
    keys = [column.name for column in table.primary_key]
    values = [column.name for column in table.c if not column.primary_key]
    names = [*keys, *values]
    query = (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET "
        + ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in values)
    )
    return text(query), names


async def _make_partitions(connection: AsyncConnection, entries: Iterable[Entry]) -> None:
    for month in sorted({_month(entry.at) for entry in entries}):
        name = f"requests_{month:%Y_%m}"
        if (await connection.execute(text("SELECT to_regclass(:name)"), {"name": name})).scalar_one() is None:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            begin, end = month.timestamp(), _after(month).timestamp()
            for table in ("requests", "attempts"):
                await connection.execute(
                    text(
                        f"CREATE TABLE IF NOT EXISTS {table}_{month:%Y_%m} PARTITION OF {table}"
                        f" FOR VALUES FROM ({begin!r}) TO ({end!r})"
                    )
                )


async def _drop_partitions(connection: AsyncConnection, at: float) -> int:
    query = text(
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent IN ('requests'::regclass, 'attempts'::regclass) ORDER BY relname"
    )
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    dropped = 0
    for (name,) in (await connection.execute(query)).all():
        year, month = map(int, name.split("_")[1:])
        if _after(datetime(year, month, 1, tzinfo=UTC)).timestamp() <= at:
            await connection.execute(text(f"DROP TABLE {name}"))
            dropped += 1
    return dropped


async def _drop_rows(connection: AsyncConnection, table: str, at: float) -> int:
    some = f"SELECT at FROM {table} WHERE at < :at ORDER BY at LIMIT 1 OFFSET {_AT_ONCE}"
    query = text(f"DELETE FROM {table} WHERE at < coalesce(({some}), :at)")
    return (await connection.execute(query, {"at": at})).rowcount


def _month(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _after(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
