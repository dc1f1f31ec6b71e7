"""Is it still well? Checks at jittered intervals, and a memory so that one bad answer changes nothing."""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.core.clock import Clock
from app.core.integration_framework.calls import PluginCalls
from app.core.integration_framework.errors import IntegrationNotReady
from app.core.integration_framework.state import IntegrationState
from app.core.integration_framework.types import HealthReport, HealthStatus, HealthThresholds, LastCheck

JITTER = 0.1
"""Each interval is up to this share longer or shorter, so that checks do not march in step."""

Check = Callable[[], Awaitable[HealthReport | None]]
Observed = Callable[[HealthStatus, LastCheck, IntegrationState], None]

_log = logging.getLogger(__name__)


class Hysteresis:
    """Turns single checks into a state: READY, DEGRADED, or RETRYING when it is to be given up."""

    def __init__(self, thresholds: HealthThresholds) -> None:
        self._thresholds = thresholds
        self.state = IntegrationState.READY
        self.unhealthy = 0
        self._bad = 0
        self._good = 0

    def observe(self, status: HealthStatus) -> IntegrationState:
        if status is HealthStatus.HEALTHY:
            self._good += 1
            self._bad = self.unhealthy = 0
            if self._good >= self._thresholds.recovered_after:
                self.state = IntegrationState.READY
            return self.state
        self._good = 0
        self._bad += 1
        self.unhealthy = self.unhealthy + 1 if status is HealthStatus.UNHEALTHY else 0
        if self.unhealthy >= self._thresholds.unavailable_after:
            self.state = IntegrationState.RETRYING
        elif self._bad >= self._thresholds.degraded_after:
            self.state = IntegrationState.DEGRADED
        return self.state

    @property
    def in_doubt(self) -> bool:
        return self._bad > 0 or self.state is not IntegrationState.READY


@dataclass(frozen=True, kw_only=True)
class HealthMonitor:
    """Checks one integration. While in doubt it looks four times as often, but not more than once a second."""

    name: str
    interval: float
    timeout: float
    thresholds: HealthThresholds
    clock: Clock
    random: random.Random
    calls: PluginCalls

    async def watch(self, check: Check, observed: Observed) -> None:
        """Check until it is to be given up; then raise IntegrationNotReady. Each check is told to `observed`."""
        hysteresis = Hysteresis(self.thresholds)
        recheck = min(self.interval, max(1.0, self.interval / 4))
        pause = self.random.uniform(0.0, recheck)
        while True:
            await self.clock.sleep(pause)
            status, last = await self._checked(check)
            state = hysteresis.observe(status)
            observed(status, last, state)
            if state is IntegrationState.RETRYING:
                raise IntegrationNotReady(f"{hysteresis.unhealthy} health checks in a row failed: {last.message}")
            pause = recheck if hysteresis.in_doubt else self.interval
            pause *= self.random.uniform(1.0 - JITTER, 1.0 + JITTER)

    async def _checked(self, check: Check) -> tuple[HealthStatus, LastCheck]:
        at, began = self.clock.now(), self.clock.monotonic()
        try:
            report = _report(await self.calls.run(f"{self.name}.health_check", check, self.timeout))
        except Exception as error:
            _log.debug("%s: health check failed", self.name, exc_info=True)
            report = HealthReport(HealthStatus.UNHEALTHY, str(error) or type(error).__name__)
        latency_ms = (self.clock.monotonic() - began) * 1000.0
        ok = report.status is HealthStatus.HEALTHY
        return report.status, LastCheck(
            at=at, latency_ms=latency_ms, ok=ok, message=report.message, details=report.details
        )


def _report(answer: object) -> HealthReport:
    if answer is None:
        return HealthReport()
    if isinstance(answer, HealthReport):
        return answer
    raise TypeError(f"health_check returned {type(answer).__name__}, not a HealthReport")
