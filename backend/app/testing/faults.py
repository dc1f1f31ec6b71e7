"""An integration that fails on demand: it shows that one that hangs, crashes or is slow disturbs no other."""

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from app.core.integration_framework import (
    BaseIntegration,
    HealthReport,
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationNotReady,
)


class Fault(StrEnum):
    NONE = "none"
    HANG = "hang"
    """Never ends, but can be cancelled."""
    HANG_HARD = "hang_hard"
    """Never ends and ignores its first cancellation."""
    SLOW = "slow"
    """Takes `seconds` of the event loop's own time."""
    CRASH = "crash"
    EXIT = "exit"
    """Calls for the end of the whole program."""
    CANCEL = "cancel"
    """Cancels itself."""
    NOT_READY = "not_ready"
    AUTH_FAILED = "auth_failed"
    CONFIG_ERROR = "config_error"


_RAISED: dict[Fault, Callable[[], BaseException]] = {
    Fault.CRASH: lambda: ZeroDivisionError("crashed on demand"),
    Fault.EXIT: lambda: SystemExit(3),
    Fault.CANCEL: asyncio.CancelledError,
    Fault.NOT_READY: lambda: IntegrationNotReady("not ready on demand"),
    Fault.AUTH_FAILED: lambda: IntegrationAuthFailed("refused on demand"),
    Fault.CONFIG_ERROR: lambda: IntegrationConfigError("misconfigured on demand"),
}


class FaultSettings(BaseModel):
    """One fault for each of the places where a plugin can fail; app.testing.faulty_import is for the import."""

    model_config = ConfigDict(extra="forbid")

    constructor: Fault = Fault.NONE
    initialize: Fault = Fault.NONE
    health_check: Fault = Fault.NONE
    shutdown: Fault = Fault.NONE
    seconds: float = 1.0


class FaultIntegration(BaseIntegration):
    """`calls` lists the contract's methods in the order they were called."""

    settings_model = FaultSettings
    settings: FaultSettings

    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self.calls: list[str] = []
        _raise(self.settings.constructor)

    async def initialize(self) -> None:
        await self._fail("initialize", self.settings.initialize)

    async def health_check(self) -> HealthReport | None:
        await self._fail("health_check", self.settings.health_check)
        return None

    async def shutdown(self) -> None:
        await self._fail("shutdown", self.settings.shutdown)

    async def _fail(self, place: str, fault: Fault) -> None:
        self.calls.append(place)
        _raise(fault)
        if fault is Fault.SLOW:
            await asyncio.sleep(self.settings.seconds)
        elif fault is Fault.HANG:
            await _never()
        elif fault is Fault.HANG_HARD:
            # A second cancellation, as when the event loop closes, gets through: tests must end.
            with suppress(asyncio.CancelledError):
                await _never()
            await _never()


async def _never() -> None:
    await asyncio.Event().wait()


def _raise(fault: Fault) -> None:
    if fault in _RAISED:
        raise _RAISED[fault]()


class ImportGate:
    """Stands in the way of importing app.testing.faulty_import. Open unless a test shuts it.

    `crash` makes the import raise instead. `reached` is set when an import has come to the gate.
    """

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.reached = threading.Event()
        self.crash = False

    def shut(self) -> None:
        """Forget an earlier import, and hold up the next one until open()."""
        sys.modules.pop("app.testing.faulty_import", None)
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def pass_through(self) -> None:
        """Called by the module that is being imported."""
        self.reached.set()
        self._open.wait()
        if self.crash:
            raise ImportError("its import crashed on demand")


IMPORT_GATE = ImportGate()
