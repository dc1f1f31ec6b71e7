"""How long an instance that a reload replaced or removed is kept for the requests that are still on it."""

import logging

from app.core.clock import Clock
from app.core.integration_framework.base import BaseIntegration

LEAST_SECONDS = 30.0
"""However idle it is: requests that have chosen it may wait in line before they begin."""

LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


async def drained(instance: BaseIntegration, clock: Clock, seconds: float) -> None:
    """Returns when it is not busy any more, after `seconds` at the latest."""
    end = clock.monotonic() + seconds
    await clock.sleep(min(seconds, LEAST_SECONDS))
    while (left := end - clock.monotonic()) > 0 and _busy(instance):
        await clock.sleep(min(left, LOOK_SECONDS))


def _busy(instance: BaseIntegration) -> bool:
    try:
        return bool(instance.busy)
    except Exception:
        _log.exception("%s could not be asked whether it is busy", instance.name)
        return True
