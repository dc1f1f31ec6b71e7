"""R2 and R3, and that nobody notices an upstream that dies or errs: thousands of requests over real sockets."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers.asking import CHAT, MESSAGES, becomes, chat, status_of
from tests.servers.faulty_peer import FaultyPeer, faulty_peers, refusal
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.raw_client import Reply, connection, post, read_reply, request_bytes

REQUESTS = 10_000
LANES = 32
LIFE = 250
"""Requests after which the next upstream dies: a fifth of a second on a quick machine."""


class Stage(NamedTuple):
    platform: PlatformProcess
    peers: list[FaultyPeer]


@asynccontextmanager
async def stage(folder: Path, count: int, **document: object) -> AsyncIterator[Stage]:
    """`count` peers as the integrations p0, p1, …; `document` is the rest of the configuration."""
    async with faulty_peers(count) as peers:
        integrations = {
            f"p{number}": {
                "kind": "openai_compatible",
                "health_check_interval": 0,
                "settings": {"base_url": peer.url, "models": ["m"], "discover": False},
            }
            for number, peer in enumerate(peers)
        }
        (folder / "llm-platform.yaml").write_text(json.dumps({"integrations": integrations, **document}))
        async with platform_process(folder, "--log-level", "warning") as platform:
            for number, peer in enumerate(peers):
                await becomes(partial(is_ready, platform.port, f"p{number}"), seconds=30)
                peer.asked = 0
                peer.by_id.clear()
            yield Stage(platform, peers)
            assert await platform.stop() == 0
            assert "defect" not in platform.log()


async def is_ready(port: int, integration: str) -> bool:
    return bool((await status_of(port, integration))["state"] == "ready")


async def ask_often(
    port: int, model: str, count: int, each: Callable[[int], None] = lambda number: None
) -> list[Reply]:
    """`count` requests on LANES connections, every other one a stream. `each` is told how many were begun."""
    replies: list[Reply] = []
    begun = 0

    async def lane() -> None:
        nonlocal begun
        async with connection(port) as (reader, writer):
            while begun < count:
                begun += 1
                each(begun)
                body = json.dumps({"model": model, "messages": MESSAGES, "stream": begun % 2 == 0}).encode()
                writer.write(request_bytes(CHAT, body))
                replies.append(await read_reply(reader))

    async with asyncio.timeout(240), asyncio.TaskGroup() as group:
        for _ in range(LANES):
            group.create_task(lane())
    return replies


def visible_failures(replies: Sequence[Reply]) -> int:
    return sum(reply.status != 200 or b'"error"' in reply.body for reply in replies)


async def answers(port: int, model: str) -> bool:
    return (await chat(port, model)).status == 200


FAILING = {"models": {"m": ["p0/m", "p1/m", "p2/m"]}}
NO_BREAKER = {"routing": {"breaker": {"failures": 0}}}


@pytest.mark.parametrize("breaker", [True, False])
async def test_failing_upstreams_are_not_asked_to_death(tmp_path: Path, breaker: bool) -> None:
    async with stage(tmp_path, 3, **FAILING, **({} if breaker else NO_BREAKER)) as (platform, peers):
        for peer in peers:
            peer.behave = lambda: refusal(500)
        replies = await ask_often(platform.port, "m", REQUESTS)
        assert {reply.status for reply in replies} <= {502, 503}
        asked = sum(peer.asked for peer in peers)
        by_id = sum((peer.by_id for peer in peers), Counter[bytes]())
        assert max(by_id.values()) <= 3
        assert asked <= 1.2 * REQUESTS + 3
        # With the breaker they are hardly asked: until it opens, and then now and then to see if they are well.
        assert asked <= REQUESTS / 5 if breaker else asked >= REQUESTS


async def test_the_breaker_opens_waits_probes_once_and_closes(tmp_path: Path) -> None:
    models = {"m": {"targets": ["p0/m", {"target": "p1/m", "priority": 2}]}, "alone": "p0/m"}
    routing = {"breaker": {"cooldown": 7.0}}
    async with stage(tmp_path, 2, models=models, routing=routing) as (platform, (peer, _)):
        peer.behave = lambda: refusal(400)
        for _ in range(10):
            assert (await chat(platform.port, "m")).status == 400  # a caller's own fault never counts
        peer.behave, peer.asked = lambda: refusal(500), 0

        async def asked(times: int) -> bool:
            assert (await chat(platform.port, "m")).status == 200
            return peer.asked == times

        await becomes(lambda: asked(5), seconds=20)  # after a failure others come first, for a moment
        replies = await asyncio.gather(*(chat(platform.port, "m") for _ in range(50)))
        assert {reply.headers["x-llm-provider"] for reply in replies} == {"p1"}
        assert peer.asked == 5
        assert "p0/m failed too often and is left alone for 7 s" in platform.log()
        await becomes(lambda: asked(6), seconds=10)  # one probe, which fails
        with_nobody_else = await chat(platform.port, "alone")  # it is probed early, and waited for
        assert (with_nobody_else.status, peer.asked) == (502, 9)
        replies = [with_nobody_else, await chat(platform.port, "alone")]  # but not for long
        assert (replies[1].status, peer.asked) == (503, 9)
        question = {"model": "alone", "max_tokens": 9, "messages": MESSAGES}
        replies.append(await post(platform.port, "/v1/messages", question))
        assert replies[2].status == 529
        assert {reply.headers["retry-after"] for reply in replies} <= {"1", "2"}
        peer.behave = lambda: None
        await becomes(lambda: answers(platform.port, "alone"), seconds=5)
        replies = await asyncio.gather(*(chat(platform.port, "m") for _ in range(50)))
        assert {reply.headers["x-llm-provider"] for reply in replies} == {"p0"}


async def test_one_of_three_upstreams_dies_again_and_again(tmp_path: Path) -> None:
    """At most one failure in 10,000 is seen. Each upstream dies in turn, and is back when the next one goes. A
    life is a number of requests, so that it is as hard on a slow machine as on a quick one.
    """
    async with stage(tmp_path, 3, **FAILING) as (platform, peers):
        deaths, due = 0, asyncio.Semaphore(0)

        async def die_in_turn() -> None:
            nonlocal deaths
            while await due.acquire():
                await peers[(deaths - 1) % 3].live()
                await peers[deaths % 3].die()
                deaths += 1

        def count(begun: int) -> None:
            if begun % LIFE == 0:
                due.release()

        await peers[2].die()  # so that it can be back when the first one goes
        dying = asyncio.create_task(die_in_turn())
        replies = await ask_often(platform.port, "m", REQUESTS, count)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        assert deaths >= REQUESTS / LIFE - 1
        assert visible_failures(replies) <= 1
        assert sum(peer.asked for peer in peers) <= 1.2 * REQUESTS + 3
        assert {reply.headers["x-llm-provider"] for reply in replies if reply.status == 200} == {"p0", "p1", "p2"}


async def test_thirty_percent_of_errors_are_not_seen_where_there_is_a_fallback(tmp_path: Path) -> None:
    models = {"m": {"targets": ["p0/m", "p1/m"], "fallbacks": ["spare"]}, "spare": "p2/m"}
    async with stage(tmp_path, 3, models=models) as (platform, peers):
        drawn = random.Random(1)
        faults = [refusal(500), refusal(503), refusal(429)]
        for peer in peers[:2]:
            peer.behave = lambda: drawn.choice(faults) if drawn.random() < 0.3 else None
        replies = await ask_often(platform.port, "m", REQUESTS)
        assert visible_failures(replies) == 0
        by_id = sum((peer.by_id for peer in peers), Counter[bytes]())
        assert max(by_id.values()) <= 3
        # The two that err are not asked more than once a request and a fifth.
        assert sum(peer.asked for peer in peers[:2]) <= 1.2 * REQUESTS + 3


async def test_what_breaks_the_connection_is_asked_no_more_than_what_errs(tmp_path: Path) -> None:
    async with stage(tmp_path, 3, **FAILING, **NO_BREAKER) as (platform, peers):
        drawn = random.Random(1)
        for peer in peers:
            peer.behave = lambda: b"" if drawn.random() < 0.3 else None
        requests = REQUESTS // 10
        await ask_often(platform.port, "m", requests)
        by_id = sum((peer.by_id for peer in peers), Counter[bytes]())
        assert max(by_id.values()) <= 3
        # A connection that was unused for a while may be replaced, which is no try.
        assert sum(peer.asked for peer in peers) <= 1.2 * requests + 3 + 10


async def test_a_target_that_asks_for_a_pause_gets_it(tmp_path: Path) -> None:
    async with stage(tmp_path, 2, models={"m": ["p0/m", "p1/m"], "alone": "p0/m"}) as (platform, (busy, other)):
        assert visible_failures(await ask_often(platform.port, "m", 200)) == 0
        busy.behave, busy.asked, other.asked = lambda: refusal(429, "retry-after: 30\r\n"), 0, 0
        replies = await ask_often(platform.port, "m", 200)
        assert visible_failures(replies) == 0
        assert busy.asked <= LANES
        assert other.asked >= 200
        reply = await chat(platform.port, "alone")
        assert reply.status == 503
        assert 20 <= int(reply.headers["retry-after"]) <= 30
