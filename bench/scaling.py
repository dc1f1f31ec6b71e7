"""What a request costs that one of several workers answers, beside as many platforms of one worker each.

Both are under the same load: servers, load and upstream share the machine's cores, and get in each other's way
whoever has started them. What the workers themselves cost is the difference.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import msgspec
import uvloop

from bench import load
from bench.gateways import KEY, WATCHED, platform, upstream
from bench.measure import NoFigures, load_of, warm_up
from bench.pairs import Pair, quartiles, take_pairs
from bench.processes import Running
from bench.scenarios import Scenario

SCENARIO = Scenario(name="request, c=32 a worker", connections=32, warm_up=1.0)


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """CPU in µs per request; `ratio`: of that together to that apart, its median and the quartiles around it."""

    workers: int
    apart_us: float
    together_us: float
    ratio: float
    low: float
    high: float


def measure(workers: int, pairs: int) -> Scaling:
    """Two pairs or more. Raises NotStarted, NoFigures where a request failed, and what load.run raises."""
    with ExitStack() as stack:
        port = stack.enter_context(upstream()).address.port

        def start(workers: int) -> Running:
            server = stack.enter_context(platform(port, key=KEY, watching=WATCHED, workers=workers))
            server.settle()
            warm_up(server, SCENARIO)
            return server

        apart, together = [start(1) for _ in range(workers)], [start(workers)]
        return summary(workers, take_pairs(pairs, partial(_cost, apart, 1), partial(_cost, together, workers)))


def _cost(servers: Sequence[Running], workers: int) -> float:
    """µs of CPU for each request, all servers together."""
    scenario = msgspec.structs.replace(SCENARIO, connections=SCENARIO.connections * workers)
    before = sum(server.cpu_seconds() for server in servers)
    count = uvloop.run(_answers(servers, scenario))
    time.sleep(servers[0].afterwards)
    return (sum(server.cpu_seconds() for server in servers) - before) / count * 1e6


async def _answers(servers: Sequence[Running], scenario: Scenario) -> int:
    outcomes = await asyncio.gather(*(load.run(load_of(each, scenario, scenario.seconds)) for each in servers))
    if failed := [outcome for outcome in outcomes if outcome.errors]:
        raise NoFigures(f"{failed[0].errors} requests failed: {failed[0].first_error}")
    return sum(len(outcome.latencies) for outcome in outcomes)


def summary(workers: int, pairs: Sequence[Pair]) -> Scaling:
    """`pairs`: two or more, each apart and together."""
    apart, together = map(statistics.median, zip(*pairs, strict=True))
    low, ratio, high = quartiles([there / here for here, there in pairs])
    return Scaling(workers=workers, apart_us=apart, together_us=together, ratio=ratio, low=low, high=high)
