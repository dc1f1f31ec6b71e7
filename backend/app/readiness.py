"""Whether storage is still on its way at the start. A platform serves before that, but who asks whether to send
callers to it (a probe, a load balancer) had better wait: until it has looked at its database it knows no key.
"""

from collections.abc import Callable

from app.core.clock import Clock, SystemClock
from app.core.integration_framework import IntegrationManager, IntegrationState, IntegrationType

PATIENCE_SECONDS = 10.0
"""Storage that hangs for longer is away, and the platform goes on without it."""

_ON_THE_WAY = frozenset({IntegrationState.REGISTERED, IntegrationState.INITIALIZING})


class StorageStart:
    def __init__(self, manager: IntegrationManager, clock: Clock | None = None) -> None:
        self._manager = manager
        self._clock = clock or SystemClock()
        self._until = self._clock.monotonic() + PATIENCE_SECONDS
        self._over = False

    async def at_the_latest(self, tell: Callable[[], None]) -> None:
        """Call `tell` when patience has an end: storage that goes on hanging says nothing by itself."""
        await self._clock.sleep(max(0.0, self._until - self._clock.monotonic()))
        tell()

    def over(self) -> bool:
        """From now on for good: each storage has come up, or has failed to for the first time."""
        if not self._over:
            waiting = (
                status.state in _ON_THE_WAY
                for status in self._manager.status()
                if status.type is IntegrationType.STORAGE
            )
            self._over = self._clock.monotonic() >= self._until or not any(waiting)
        return self._over
