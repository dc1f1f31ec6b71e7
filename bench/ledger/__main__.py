"""Starts the platform, asks it through every front-end, kills it at random moments, starts it again; in the end
compares what clients saw the end of with what the ledger holds.

Prints `requests N lost N doubled N` last, and fails unless there was enough of the first and none of the others.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import aiohttp
from sqlalchemy import text

from app.core.integration_framework import IntegrationConfig
from app.integrations.storage.database.integration import DatabaseIntegration
from bench.ledger import upstream
from bench.ledger.clients import CLIENTS, GONE, Asking
from bench.ledger.platform import Platform

PATIENCE_SECONDS = 120.0


class Books(NamedTuple):
    """What the clients know: the number of each request, by its id, once its end was seen."""

    seen: dict[str, int]
    kinds: Counter[str]


class Row(NamedTuple):
    request_id: str
    input_tokens: int
    output_tokens: int
    outcome: str
    cost: int


async def ask_on(platform: Platform, books: Books, numbers: "count[int]", name: str) -> None:
    """One client after the other, until it is cancelled."""
    while True:
        async with aiohttp.ClientSession() as session:
            for client in CLIENTS:
                number = next(numbers)
                try:
                    id = await client(Asking(session, platform.place, f"{name}-{number}", number))
                except GONE:
                    await asyncio.sleep(0.02)
                    continue
                if id is not None:
                    books.seen[id] = number
                    books.kinds[client.__name__] += 1


async def live_and_die(platform: Platform, wanted: argparse.Namespace, books: Books) -> None:
    dice = random.Random(wanted.seed)  # noqa: S311 - it kills
    ends = [signal.SIGKILL] * wanted.kills + [signal.SIGTERM] * wanted.terms
    dice.shuffle(ends)
    async with asking(platform, wanted.clients, books):
        for done, how in enumerate(ends, 1):
            await platform.start()
            await asyncio.sleep(dice.uniform(0.1, wanted.longest))
            await platform.end(how)
            if done % 25 == 0:
                tell(f"{done} of {len(ends)} deaths, {len(books.seen)} answers")
        await platform.start()
        await becomes(lambda: len(books.seen) >= wanted.requests)
    await becomes(lambda: not list(platform.spool.glob("*.usage")))
    await platform.end(signal.SIGTERM)


async def becomes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - it is about another process
            await asyncio.sleep(0.1)


@asynccontextmanager
async def asking(platform: Platform, clients: int, books: Books) -> AsyncIterator[None]:
    """All of them in the background. Raises what one of them could not make sense of."""
    numbers = count(1)
    tasks = [asyncio.create_task(ask_on(platform, books, numbers, f"client{each}")) for each in range(clients)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


async def ledger_of(platform: Platform, database: str | None) -> tuple[list[Row], int]:
    """The rows, and how many requests its sums tell of."""
    settings = {"url": database} if database else {"data_dir": str(platform.folder / "llm-platform")}
    integration = DatabaseIntegration(IntegrationConfig(name="database", settings={**settings, "timeout": 60}))
    await integration.initialize()
    try:
        async with integration.reading() as connection:
            query = "SELECT request_id, input_tokens, output_tokens, outcome, cost FROM requests"
            rows = [Row(*row) for row in await connection.execute(text(query))]
            summed = await connection.execute(text("SELECT SUM(requests) FROM usage_hours"))
            return rows, int(summed.scalar_one() or 0)
    finally:
        await integration.shutdown()


def compare(books: Books, rows: list[Row], summed: int) -> tuple[int, int]:
    """How many of the answers are lost, or kept with other figures; and how many calls are there twice."""
    right = {
        row.request_id: row.input_tokens
        for row in rows
        if row.outcome == "ok"
        and row.output_tokens == upstream.OUTPUT_TOKENS
        and row.cost == row.input_tokens * 1500 + upstream.OUTPUT_TOKENS * 6000
    }
    lost = sum(right.get(id) != number for id, number in books.seen.items())
    times = Counter(row.request_id for row in rows)
    doubled = sum(number - 1 for number in times.values()) + abs(summed - len(rows))
    return lost, doubled


async def prove(wanted: argparse.Namespace, folder: Path) -> bool:
    books = Books({}, Counter())
    async with upstream.serving(wanted.seed) as address:
        platform = Platform(folder, address, wanted.database, wanted.workers)
        try:
            await live_and_die(platform, wanted, books)
        except BaseException:
            sys.stderr.write(platform.log.read_text("utf-8", "replace")[-3000:])
            raise
    rows, summed = await ledger_of(platform, wanted.database)
    lost, doubled = compare(books, rows, summed)
    tell(f"seed {wanted.seed}: {wanted.kills} SIGKILL, {wanted.terms} SIGTERM, {len(rows)} calls in the ledger")
    tell(", ".join(f"{kind} {number}" for kind, number in sorted(books.kinds.items())))
    tell(f"requests {len(books.seen)} lost {lost} doubled {doubled}")
    return len(books.seen) >= wanted.requests and not lost and not doubled and len(books.kinds) == len(CLIENTS)


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs")
    parser.add_argument("--terms", type=int, default=50, help="SIGTERMs")
    parser.add_argument("--requests", type=int, default=2000, help="answers to be seen, at least")
    parser.add_argument("--clients", type=int, default=12, help="how many ask at the same time")
    parser.add_argument("--longest", type=float, default=1.4, help="seconds that it lives, at most")
    parser.add_argument("--workers", type=int, default=1, help="processes of the platform")
    parser.add_argument("--database", help="URL of an empty PostgreSQL database; a SQLite file without it")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6, help="of the moments of death")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="prove-ledger-") as folder:
        sys.exit(0 if asyncio.run(prove(wanted, Path(folder))) else 1)


if __name__ == "__main__":
    main()
