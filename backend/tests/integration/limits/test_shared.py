"""Limits of several processes on a real Redis: exact, whoever asks, and in one round trip."""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.accounts.limits.leases import LEASE_SECONDS, RENEW_SECONDS, Leases
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.domain.errors import RateLimited, UpstreamUnavailable
from app.domain.limits import Estimate, Rate, Reservation
from app.domain.usage import Usage
from app.testing.clock import VirtualClock
from tests.integration.limits.fleet import fleet, member, tried
from tests.servers.redis_server import RedisServer, running_redis

BACKEND = Path(__file__).parents[3]
HOUR = 3600.0
KEY, TTL = "limits:a:concurrent:3600", "return redis.call('PTTL', KEYS[1])"
"""Where the places of a caller are kept, and how long it is until they are forgotten."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as started:
        yield started


def rates(**limits: int) -> list[Rate]:
    return [Rate(unit=unit, limit=limit, window=HOUR) for unit, limit in limits.items()]  # type: ignore[arg-type]


async def left(limits: SharedLimits, wanted: list[Rate]) -> list[int]:
    """What is left of each, by what one more call is told, which is settled with nothing at once."""
    told = await limits.reserve("a", wanted, Estimate(0, 0))
    told.settle(None)
    return [standing.remaining for standing in told.standings]


async def test_processes_share_a_limit_to_the_last_request(server: RedisServer) -> None:
    async with fleet(server.url, 4, prefix=f"{uuid4()}:") as members:
        wanted = rates(requests=50)
        asked = [tried(members[number % 4], wanted) for number in range(200)]
        refused = [each for each in await asyncio.gather(*asked) if isinstance(each, RateLimited)]
        assert len(refused) == 150
        assert {standing.remaining for each in refused for standing in each.standings} == {0}
        assert all(HOUR - 1 < (each.retry_after or 0) <= HOUR * 61 / 60 for each in refused)


async def test_what_does_not_fit_takes_nothing_and_names_what_takes_longest(server: RedisServer) -> None:
    async with member(server.url, prefix=f"{uuid4()}:") as limits:
        wanted = [Rate(unit="requests", limit=5), Rate(unit="tokens", limit=1000, window=HOUR)]
        await limits.reserve("a", wanted, Estimate(400, 500))
        with pytest.raises(RateLimited, match="1,000 tokens in an hour") as refused:
            await limits.reserve("a", wanted, Estimate(100, 100))
        assert [standing.remaining for standing in refused.value.standings] == [4, 100]
        await limits.reserve("a", wanted, Estimate(50, 50))
        await limits.reserve("b", wanted, Estimate(400, 500))


async def test_another_process_sees_what_was_settled(server: RedisServer) -> None:
    async with fleet(server.url, 2, prefix=f"{uuid4()}:") as (one, other):
        wanted = rates(requests=10, tokens=1000, output_tokens=500)
        reservation = await one.reserve("a", wanted, Estimate(100, 400))
        assert await left(other, wanted) == [8, 500, 100]
        reservation.settle(Usage(input_tokens=90, output_tokens=10))
        reservation.settle(Usage(input_tokens=9000, output_tokens=9000))  # once is enough
        await one.close()
        assert await left(other, wanted) == [7, 900, 490]


async def test_places_are_given_back_to_all(server: RedisServer) -> None:
    async with fleet(server.url, 2, prefix=f"{uuid4()}:") as (one, other):
        wanted = rates(concurrent=1)
        held = await one.reserve("a", wanted, Estimate(1, 1))
        refusal = await tried(other, wanted)
        assert isinstance(refusal, RateLimited)
        assert refusal.retry_after == 1.0
        held.settle(None)
        await one.close()
        assert not isinstance(await tried(other, wanted), RateLimited)


async def test_who_comes_again_at_once_finds_the_place_that_was_given_back(server: RedisServer) -> None:
    async with member(server.url, prefix=f"{uuid4()}:") as limits:
        for _ in range(100):
            (await limits.reserve("a", rates(concurrent=1, tokens=10**6), Estimate(1, 1))).settle(None)


async def test_the_places_of_a_process_that_died_come_back(server: RedisServer) -> None:
    """Nobody renews them; their time is told to Redis, which is asked what it has of it."""
    async with fleet(server.url, 2, prefix=f"{uuid4()}:") as (one, other):
        wanted = rates(concurrent=1)
        await one.reserve("a", wanted, Estimate(1, 1))
        assert one.runner is not None
        expire = "return redis.call('ZADD', KEYS[1], 'XX', 1, redis.call('ZRANGE', KEYS[1], 0, 0)[1])"
        ttl = await one.runner.run_script(TTL, [KEY], [])
        assert LEASE_SECONDS * 1000 - 5000 < ttl <= LEASE_SECONDS * 1000
        await one.runner.run_script(expire, [KEY], [])
        assert not isinstance(await tried(other, wanted), RateLimited)


async def test_a_call_that_goes_on_keeps_its_place(server: RedisServer) -> None:
    clock, prefix, wanted = VirtualClock(), f"{uuid4()}:", rates(concurrent=1)
    async with member(server.url, prefix=prefix, clock=clock) as one, member(server.url, prefix=prefix) as other:
        held = await one.reserve("a", wanted, Estimate(1, 1))
        assert one.runner is not None
        shorten = "return redis.call('PEXPIRE', KEYS[1], 1000)"
        await one.runner.run_script(shorten, [KEY], [])
        await clock.advance(RENEW_SECONDS)
        async with asyncio.timeout(5):
            while await one.runner.run_script(TTL, [KEY], []) <= 1000:  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0)
        assert isinstance(await tried(other, wanted), RateLimited)
        held.settle(None)


async def test_calls_that_go_on_are_vouched_for() -> None:
    clock = VirtualClock()
    renewed: list[list[tuple[str, str]]] = []

    async def renew(held):  # type: ignore[no-untyped-def]
        renewed.append(sorted(held))
        if len(renewed) == 1:
            raise UpstreamUnavailable("away")

    leases = Leases(renew, clock)
    leases.hold("k", "1")
    leases.hold("k", "2")
    await clock.advance(RENEW_SECONDS)
    leases.let_go("k", "1")
    await clock.advance(RENEW_SECONDS)
    leases.let_go("k", "2")
    await clock.advance(3 * RENEW_SECONDS)
    assert renewed == [[("k", "1"), ("k", "2")], [("k", "2")]]
    leases.hold("k", "3")
    await clock.advance(RENEW_SECONDS)
    assert renewed[2:] == [[("k", "3")]]
    await leases.close()


async def test_several_processes_never_let_more_into_a_window(server: RedisServer) -> None:
    """R15: real processes, a window that slides past several times."""
    limit, window, seconds = 40, 1.0, 4.0
    command = [sys.executable, "-m", "tests.integration.limits.fleet", server.url]
    processes = [
        await asyncio.create_subprocess_exec(
            *command, str(limit), str(window), str(seconds), stdout=asyncio.subprocess.PIPE, cwd=BACKEND,
            env={**os.environ, "PYTHONPATH": str(BACKEND)},
        )
        for _ in range(4)
    ]  # fmt: skip
    let_in: list[tuple[float, float]] = []
    for process in processes:
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        let_in += [tuple(each) for each in json.loads(out)]
    assert len(let_in) > limit * 2, "the window slid"
    for began, _ in let_in:
        within = sum(began <= asked and answered <= began + window for asked, answered in let_in)
        assert within <= limit


CALLS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(1, 60), st.integers(0, 80), st.booleans()),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=st.integers(1, 12), tokens=st.integers(50, 400), calls=CALLS, seed=st.integers(0, 2**16))
async def test_any_mix_of_calls_stays_within_every_limit(
    server: RedisServer, requests: int, tokens: int, calls: list[tuple[int, int, int, int, bool]], seed: int
) -> None:
    """R15: no request more than the limit, no token more than it and one reservation, and who fits is let in."""
    order = random.Random(seed)
    wanted = rates(requests=requests, tokens=tokens)
    async with fleet(server.url, 4, prefix=f"{uuid4()}:") as members:
        counted = let_in = 0
        reservations: list[tuple[Reservation, Estimate, Usage]] = []
        for place, inputs, outputs, answered, settles in calls:
            estimate = Estimate(inputs, outputs)
            fits = let_in < requests and counted + min(inputs + outputs, tokens) <= tokens
            found = await tried(members[place], wanted, estimate)
            assert isinstance(found, RateLimited) is not fits
            if not isinstance(found, RateLimited):
                let_in += 1
                counted += inputs + outputs
                assert counted <= tokens + max(0, inputs + outputs - tokens)
                reservations.append((found, estimate, Usage(input_tokens=inputs, output_tokens=answered)))
            if settles and reservations:
                settled, was, usage = reservations.pop(order.randrange(len(reservations)))
                settled.settle(usage)
                counted += usage.total_tokens - was.input_tokens - was.output_tokens
                await asyncio.gather(*(each.close() for each in members))


async def test_without_redis_each_has_its_share() -> None:
    limits = SharedLimits(MemoryLimits(0.25))
    found = [await tried(limits, rates(requests=8)) for _ in range(3)]
    assert [isinstance(each, RateLimited) for each in found] == [False, False, True]
