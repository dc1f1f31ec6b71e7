"""What each thing that can be switched on costs: the platform with it and without it, in turns, and nothing else.

A cost is a difference of two figures that are near each other. So it is taken from runs that follow one another,
and no other server is started, whose waking and whose memory would be in it.
"""

import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import msgspec

from bench.gateways import LAYERS, Contender, platform, upstream
from bench.measure import measure as measure_one
from bench.measure import warm_up
from bench.pairs import Pair, quartiles, take_pairs
from bench.processes import Running
from bench.scenarios import Scenario

SCENARIO = Scenario(name="request, c=32", connections=32, seconds=1.0)


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """CPU in µs per request: the median of the differences, and the quartiles around it."""

    name: str
    cpu_us: float
    low: float
    high: float
    without_us: float


def measure(pairs: int, say: Callable[[str], object]) -> list[Cost]:
    """Raises NotStarted, and what measure.measure raises."""
    found = []
    for layer in LAYERS:
        found.append(cost(layer.name, _pairs(layer, pairs)))
        say(f"{layer.name}: done")
    return found


def cost(name: str, pairs: Sequence[Pair]) -> Cost:
    """`pairs`: two or more, each without it and with it."""
    differences = [with_it - without for without, with_it in pairs]
    low, middle, high = quartiles(differences)
    return Cost(
        name=name, cpu_us=middle, low=low, high=high, without_us=statistics.median(pair[0] for pair in pairs)
    )


def _pairs(layer: Contender, count: int) -> list[Pair]:
    with ExitStack() as stack:
        port = stack.enter_context(upstream()).address.port
        without, with_it = servers = [stack.enter_context(start(port)) for start in (platform, layer.start)]
        without.afterwards = with_it.afterwards  # what an idle platform takes then is in both
        for server in servers:
            server.settle()
            warm_up(server, SCENARIO)
        return take_pairs(count, *(partial(_cpu, server) for server in servers))


def _cpu(server: Running) -> float:
    return measure_one(server, SCENARIO).cpu_us
