"""One scenario against one server: CPU first, then latency, then throughput."""

import statistics
import time
from collections.abc import Sequence

import msgspec
import uvloop

from bench import load
from bench.processes import Running
from bench.scenarios import Scenario, request_bytes


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """CPU in µs of the server's process tree per request, or per chunk that the upstream sent for streams.

    `load_us` is what the load generator itself used, per the same. Latencies are of whole answers.
    """

    cpu_us: float
    p50_ms: float
    p99_ms: float
    per_second: float
    errors: int
    peak_mb: float
    load_us: float


class NoFigures(Exception):
    """Nothing could be measured. The text says why."""


def warm_up(server: Running, scenario: Scenario) -> None:
    if scenario.warm_up:
        uvloop.run(load.run(load_of(server, scenario, scenario.warm_up)))


def measure(server: Running, scenario: Scenario) -> Figures:
    """One run. Raises NoFigures when not one request succeeded, and what load.run raises."""
    server.forget_peak()
    before, own_before = server.cpu_seconds(), time.process_time()
    outcome = uvloop.run(load.run(load_of(server, scenario, scenario.seconds)))
    own = time.process_time() - own_before
    time.sleep(server.afterwards)
    spent = server.cpu_seconds() - before
    if not outcome.latencies:
        raise NoFigures(f"all {outcome.errors} requests failed: {outcome.first_error}")
    count = len(outcome.latencies) * max(scenario.chunks, 1)
    latencies = sorted(outcome.latencies)
    return Figures(
        cpu_us=spent / count * 1e6,
        p50_ms=statistics.median(latencies) * 1e3,
        p99_ms=latencies[int(len(latencies) * 0.99)] * 1e3,
        per_second=count / outcome.seconds,
        errors=outcome.errors,
        peak_mb=server.peak_megabytes(),
        load_us=own / count * 1e6,
    )


def load_of(server: Running, scenario: Scenario, seconds: float) -> load.Load:
    return load.Load(
        port=server.address.port,
        request=request_bytes(scenario, server.address),
        connections=scenario.connections,
        requests=scenario.requests,
        seconds=seconds,
        ramp=scenario.ramp,
        frames=scenario.chunks,
    )


def median_of(runs: Sequence[Figures]) -> Figures:
    """Each figure's median over the runs; errors are added up."""
    fields = {
        name: statistics.median(getattr(run, name) for run in runs)
        for name in Figures.__struct_fields__
        if name != "errors"
    }
    return Figures(errors=sum(run.errors for run in runs), **fields)
