"""One scenario against one server: CPU first, then latency, then throughput."""

import asyncio
import statistics
from collections.abc import Sequence

import msgspec
import uvloop

from bench import load
from bench.processes import Running
from bench.scenarios import Scenario


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """CPU in µs of the server's process tree per request, or per chunk for streams. Latencies in ms."""

    cpu_us: float
    p50_ms: float
    p99_ms: float
    per_second: float
    errors: int
    rss_mb: float


def measure(server: Running, scenario: Scenario, request: bytes) -> Figures:
    """One run after a short warm-up."""
    warm_up = min(scenario.requests // 10, 500) or 1
    uvloop.run(_run(server, scenario, request, min(warm_up, scenario.connections * 10)))
    before = server.cpu_seconds()
    outcome = uvloop.run(_run(server, scenario, request, scenario.requests))
    spent = server.cpu_seconds() - before
    count = outcome.frames if scenario.per_chunk else len(outcome.latencies)
    latencies = sorted(outcome.latencies)
    return Figures(
        cpu_us=spent / max(count, 1) * 1e6,
        p50_ms=statistics.median(latencies) * 1e3,
        p99_ms=latencies[int(len(latencies) * 0.99)] * 1e3,
        per_second=count / outcome.seconds,
        errors=outcome.errors,
        rss_mb=server.rss_megabytes(),
    )


async def _run(server: Running, scenario: Scenario, request: bytes, requests: int) -> load.Outcome:
    wanted = load.Load(port=server.port, request=request, connections=scenario.connections, requests=requests)
    return await asyncio.create_task(load.run(wanted))


def median_of(runs: Sequence[Figures]) -> Figures:
    """Each figure's median over the runs; errors are added up."""
    fields = {
        name: statistics.median(getattr(run, name) for run in runs)
        for name in Figures.__struct_fields__
        if name != "errors"
    }
    return Figures(errors=sum(run.errors for run in runs), **fields)
