"""What more load than the upstream can bear does: good answers a second at 1, 2 and 4 times its capacity.

The upstream serves SLOTS requests at a time, SERVICE_MS each; the platform knows the slots (`max_concurrent`) and
lets nobody wait longer than QUEUE_SECONDS. What it can't serve in that time it refuses at once with a Retry-After.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import msgspec
import uvloop

from bench.gateways import platform, upstream
from bench.open_loop import Answer, OpenLoop
from bench.processes import Address
from bench.scenarios import Scenario, request_bytes

SLOTS = 8
SERVICE_MS = 40.0
QUEUE_SECONDS = 1.0
SECONDS = 8.0
WARM_UP = 2.0
"""Seconds at the start of each load that do not count: the queue fills."""

HEALTH_EVERY = 0.02
CAPACITY = SLOTS / SERVICE_MS * 1000


class Overload(msgspec.Struct, frozen=True, kw_only=True):
    """At `times` the capacity. `goodput`: good answers a second. `refusals` without a Retry-After, and statuses
    other than 200, 429 and 503, are `faults`. `recovery`: seconds until a request took its usual time again.
    """

    times: float
    goodput: float
    refused: int
    refusal_p99_ms: float
    health_p99_ms: float
    faults: int
    recovery: float


def measure(loads: Sequence[float] = (1.0, 2.0, 4.0)) -> list[Overload]:
    options = ("--slots", str(SLOTS), "--service-ms", str(SERVICE_MS))
    settings = {"max_concurrent": SLOTS}
    with (
        upstream(*options) as up,
        platform(up.address.port, target=settings, routing={"queue_wait": QUEUE_SECONDS}) as gateway,
    ):
        uvloop.run(_load(gateway.address, 0.5))  # the first requests of a process are slower
        return [uvloop.run(_load(gateway.address, times)) for times in loads]


async def _load(address: Address, times: float) -> Overload:
    request = request_bytes(Scenario(name="overload", connections=1), address)
    load = OpenLoop(address.port, request, CAPACITY * times, SECONDS)
    health = OpenLoop(address.port, _health(address), 1 / HEALTH_EVERY, SECONDS, seed=2)
    await asyncio.gather(load.run(), health.run())
    recovery = await _recovery(partial(OpenLoop, address.port, request, 1.0, 0.0))
    return figures(times, load.answers, health.answers, recovery)


def _health(address: Address) -> bytes:
    return f"GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1:{address.port}\r\n\r\n".encode()


async def _recovery(asking: "partial[OpenLoop]") -> float:
    began = time.perf_counter()
    while True:
        one = asking()
        await one.ask()
        (answer,) = one.answers
        if answer.status == 200 and answer.seconds < 2 * SERVICE_MS / 1000:
            return time.perf_counter() - began


def figures(times: float, load: Sequence[Answer], health: Sequence[Answer], recovery: float) -> Overload:
    good = [each for each in load if each.status == 200 and WARM_UP <= each.at < SECONDS]
    refused = [each for each in load if each.status in (429, 503) and each.retry_after]
    faults = sum(each.status != 200 for each in (*load, *health)) - len(refused)
    return Overload(
        times=times,
        goodput=len(good) / (SECONDS - WARM_UP),
        refused=len(refused),
        refusal_p99_ms=_p99_ms(refused),
        health_p99_ms=_p99_ms(health),
        faults=faults,
        recovery=recovery,
    )


def _p99_ms(answers: Sequence[Answer]) -> float:
    seconds = sorted(each.seconds for each in answers)
    return seconds[int(len(seconds) * 0.99)] * 1000 if seconds else 0.0
