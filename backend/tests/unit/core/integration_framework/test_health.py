import asyncio
import random

import pytest

from app.core.integration_framework.calls import PluginCalls
from app.core.integration_framework.errors import IntegrationNotReady
from app.core.integration_framework.health import HealthMonitor, Hysteresis
from app.core.integration_framework.state import IntegrationState
from app.core.integration_framework.types import HealthReport, HealthStatus, HealthThresholds, LastCheck
from app.testing.clock import VirtualClock
from tests.unit.core.integration_framework.scripted import Longest

STATUS = {"h": HealthStatus.HEALTHY, "d": HealthStatus.DEGRADED, "u": HealthStatus.UNHEALTHY}
STATE = {"R": IntegrationState.READY, "D": IntegrationState.DEGRADED, "X": IntegrationState.RETRYING}


@pytest.mark.parametrize(
    ("checks", "states"),
    [
        ("hhh", "RRR"),
        ("uuhuu", "RRRRR"),
        ("uuu", "RRD"),
        ("uuuhuuu", "RRDDDDD"),
        ("uuuhh", "RRDDR"),
        ("uuuuuu", "RRDDDX"),
        ("dddddddd", "RRDDDDDD"),
        ("dduuuuuu", "RRDDDDDX"),
        ("uuuuuhuuuuuu", "RRDDDDDDDDDX"),
        ("uuuhhuuu", "RRDDRRRD"),
        ("uuduuuuuu", "RRDDDDDDX"),
    ],
)
def test_it_takes_several_checks_in_a_row_to_change_the_state(checks: str, states: str) -> None:
    hysteresis = Hysteresis(HealthThresholds(degraded_after=3, unavailable_after=6, recovered_after=2))
    assert [hysteresis.observe(STATUS[check]) for check in checks] == [STATE[state] for state in states]


def monitor(clock: VirtualClock, interval: float = 60.0, draws: random.Random | None = None) -> HealthMonitor:
    return HealthMonitor(
        name="x",
        interval=interval,
        timeout=10.0,
        thresholds=HealthThresholds(),
        clock=clock,
        random=draws or Longest(),
        calls=PluginCalls(clock),
    )


class Watch:
    """Runs a monitor over `answers`; the last one is given for ever. Keeps what was observed, and when."""

    def __init__(self, watched: HealthMonitor, *answers: object) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[HealthStatus, LastCheck, IntegrationState]] = []
        self.at: list[float] = []
        self._clock = watched.clock
        self.task = asyncio.create_task(watched.watch(self._check, self._observed))

    async def _check(self) -> HealthReport | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer == "hang":
            await asyncio.Event().wait()
        if isinstance(answer, float):
            await self._clock.sleep(answer)
            return None
        return answer  # type: ignore[return-value]

    def _observed(self, status: HealthStatus, check: LastCheck, state: IntegrationState) -> None:
        self.seen.append((status, check, state))
        self.at.append(round(self._clock.monotonic(), 6))

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (None, HealthStatus.HEALTHY, ""),
        (HealthReport(message="fine"), HealthStatus.HEALTHY, "fine"),
        (HealthReport(HealthStatus.DEGRADED, "queue is long"), HealthStatus.DEGRADED, "queue is long"),
        (HealthReport(HealthStatus.UNHEALTHY, "gone"), HealthStatus.UNHEALTHY, "gone"),
        (ConnectionError("reset"), HealthStatus.UNHEALTHY, "reset"),
        (ConnectionError(), HealthStatus.UNHEALTHY, "ConnectionError"),
        (True, HealthStatus.UNHEALTHY, "health_check returned bool, not a HealthReport"),
        ("hang", HealthStatus.UNHEALTHY, "x.health_check did not finish within 10 s"),
    ],
    ids=repr,
)
async def test_what_a_check_says_is_recorded(answer: object, status: HealthStatus, message: str) -> None:
    clock = VirtualClock(now=1000.0)
    watch = Watch(monitor(clock), answer)
    await clock.advance(25.0)
    await watch.end()
    seen_status, check, _ = watch.seen[0]
    assert (seen_status, check.ok, check.message) == (status, status is HealthStatus.HEALTHY, message)
    assert check.at == 1015.0


async def test_latency_is_measured() -> None:
    clock = VirtualClock()
    watch = Watch(monitor(clock), 0.25)
    await clock.advance(16.0)
    await watch.end()
    assert watch.seen[0][1].latency_ms == pytest.approx(250.0)


async def test_in_doubt_it_looks_more_often() -> None:
    clock = VirtualClock()
    watch = Watch(monitor(clock), None, ConnectionError(), None, None)
    await clock.advance(230.0)
    await watch.end()
    # Longest draws make each interval 10 % longer: 60 s is 66 s, and a quarter of it 16.5 s.
    assert watch.at == [15.0, 81.0, 97.5, 163.5, 229.5]


async def test_intervals_are_jittered() -> None:
    clock = VirtualClock()
    watch = Watch(monitor(clock, draws=random.Random(3)), None)
    await clock.advance(1000.0)
    await watch.end()
    gaps = [later - earlier for earlier, later in zip(watch.at, watch.at[1:], strict=False)]
    assert all(54.0 <= gap <= 66.0 for gap in gaps)
    assert len(set(gaps)) == len(gaps)


async def test_six_failures_in_a_row_give_it_up_with_the_last_message() -> None:
    clock = VirtualClock()
    watch = Watch(monitor(clock), ConnectionError("first"), ConnectionError("last"))
    await clock.advance(1000.0)
    with pytest.raises(IntegrationNotReady, match="6 health checks in a row failed: last"):
        watch.task.result()
    assert len(watch.seen) == 6
