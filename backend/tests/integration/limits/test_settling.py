"""What ended is told to Redis, whatever is lost on the way, and counts once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from app.accounts.limits.scripts import RENEW, RESERVE, SETTLE
from app.accounts.limits.settling import MOST, Change, Settling
from app.accounts.limits.shared import SharedLimits
from app.domain.errors import RateLimited, UpstreamTimeout
from app.domain.limits import Estimate, Rate
from app.domain.ports import ScriptRunner
from app.domain.usage import Usage
from tests.integration.limits.fleet import member, tried
from tests.servers.redis_server import RedisServer, running_redis

PLACES = [Rate(unit="concurrent", limit=2)]
TOKENS = [Rate(unit="tokens", limit=1000, window=3600.0)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as started:
        yield started


class Line:
    """The way to a runner. `lost`: the script whose next question does not get there, or whose answer gets lost
    (`heard`). `held`: the script that stays on its way until `go`.
    """

    def __init__(self, runner: ScriptRunner) -> None:
        self.send = runner.run_script
        self.sent: list[tuple[str, Sequence[str], Sequence[str | bytes | float]]] = []
        self.lost = self.held = ""
        self.heard = False
        self.there, self.go = asyncio.Event(), asyncio.Event()

    async def run_script(self, script: str, keys: Sequence[str], arguments: Sequence[str | bytes | float]) -> Any:
        self.sent.append((script, keys, arguments))
        lost = script == self.lost
        if lost:
            self.lost = ""
        if script == self.held:
            self.there.set()
            await self.go.wait()
        answer = None if lost and not self.heard else await self.send(script, keys, arguments)
        if lost:
            self.there.set()
            raise UpstreamTimeout("slow", provider="redis")
        return answer


@asynccontextmanager
async def on_a_line(server: RedisServer) -> AsyncIterator[tuple[SharedLimits, Line]]:
    async with member(server.url, prefix=f"{uuid4()}:") as limits:
        assert limits.runner is not None
        line = Line(limits.runner)
        limits.runner = line
        yield limits, line


async def left(limits: SharedLimits, wanted: list[Rate]) -> int:
    told = await limits.reserve("a", wanted, Estimate(0, 0))
    told.settle(None)
    return told.standings[0].remaining


async def test_places_whose_end_was_not_heard_are_given_back_all_the_same(server: RedisServer) -> None:
    async with on_a_line(server) as (limits, line):
        held = [await limits.reserve("a", PLACES, Estimate(1, 1)) for _ in range(2)]
        line.lost = SETTLE
        for each in held:
            each.settle(None)
        await line.there.wait()
        await limits.close()
        assert not isinstance(await tried(limits, PLACES), RateLimited)


async def test_it_is_told_again_by_itself(server: RedisServer) -> None:
    async with on_a_line(server) as (limits, line):
        held = await limits.reserve("a", TOKENS, Estimate(0, 900))
        line.lost = SETTLE
        held.settle(Usage(output_tokens=100))
        async with asyncio.timeout(5):
            while await left(limits, TOKENS) != 900:  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0)


async def test_what_was_heard_counts_once(server: RedisServer) -> None:
    async with on_a_line(server) as (limits, line):
        held = await limits.reserve("a", TOKENS, Estimate(0, 100))
        line.lost, line.heard = SETTLE, True
        held.settle(Usage(output_tokens=400))
        await line.there.wait()
        await limits.close()
        assert await left(limits, TOKENS) == 600


async def test_a_call_that_ends_while_it_is_renewed_is_not_there_again(server: RedisServer) -> None:
    async with on_a_line(server) as (limits, line):
        held = [await limits.reserve("a", PLACES, Estimate(1, 1)) for _ in range(2)]
        line.held = RENEW
        renewing = asyncio.create_task(limits._renew(list(limits._leases._held)))
        await line.there.wait()
        for each in held:
            each.settle(None)
        await limits._settling.close()  # they are free, and only now the renewal arrives
        line.go.set()
        await renewing
        assert await left(limits, PLACES) == 1


BOTH = [*TOKENS, *PLACES]


async def free(limits: SharedLimits) -> list[int]:
    """What is left of BOTH when no call is under way."""
    await limits.close()
    told = await limits.reserve("a", BOTH, Estimate(0, 0))
    told.settle(None)
    return [told.standings[0].remaining, told.standings[1].remaining + 1]


@pytest.mark.parametrize("arrives", ["before", "after"])
async def test_who_leaves_before_the_answer_takes_nothing(server: RedisServer, arrives: str) -> None:
    async with on_a_line(server) as (limits, line):
        line.held = RESERVE
        asking = asyncio.create_task(limits.reserve("a", BOTH, Estimate(100, 800)))
        await line.there.wait()
        sent = line.sent[-1]
        line.held = ""
        if arrives == "before":
            await line.send(*sent)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        if arrives == "after":
            await limits.close()
            await line.send(*sent)
        assert await free(limits) == [1000, 2]


@pytest.mark.parametrize("heard", [True, False])
async def test_what_an_answer_that_was_too_late_took_is_given_back(server: RedisServer, heard: bool) -> None:
    async with on_a_line(server) as (limits, line):
        line.lost, line.heard = RESERVE, heard
        (await limits.reserve("a", BOTH, Estimate(100, 800))).settle(None)  # it goes by the share of this process
        assert await free(limits) == [1000, 2]


@pytest.mark.parametrize(("rate", "limit"), [(Rate(unit="requests", limit=5), 5), (PLACES[0], 2)])
async def test_a_redis_that_starts_anew_gives_nobody_a_limit_again(
    server: RedisServer, rate: Rate, limit: int
) -> None:
    async with on_a_line(server) as (limits, line):
        for _ in range(limit):
            await limits.reserve("a", [rate], Estimate(1, 1))
        assert await line.send("return redis.call('DEL', KEYS[1])", [f"limits:a:{rate.unit}:60"], []) == 1
        assert isinstance(await tried(limits, [rate]), RateLimited)
        assert not isinstance(await tried(limits, [rate], holder="b"), RateLimited)


async def test_of_too_many_the_oldest_are_given_up() -> None:
    told: list[Sequence[Change]] = []

    async def tell(_: int, changes: Sequence[Change]) -> None:
        told.append(changes)

    settling = Settling(tell)
    for number in range(MOST + 5):
        settling.add(Change("k", str(number), "1", 1))
    await settling.close()
    assert [(len(each), each[0].call) for each in told] == [(MOST, "5")]
