"""The contract's own test: a good integration passes all of it, and each kind of bad one fails."""

import asyncio
import inspect
from collections.abc import Callable
from typing import ClassVar

import pytest

from app.core.integration_framework import HealthReport, IntegrationConfig
from app.testing.contract import IntegrationContract
from app.testing.faults import Fault, FaultIntegration


class TestFaultIntegration(IntegrationContract):
    integration = FaultIntegration
    bad_settings = ({"initialize": "no such fault"}, {"unknown": 1})
    unready_settings: ClassVar = {"initialize": Fault.NOT_READY}


class ForgetsTask(FaultIntegration):
    async def initialize(self) -> None:
        self.task = asyncio.create_task(asyncio.Event().wait())


class ForgetsTaskWhenCancelled(FaultIntegration):
    async def initialize(self) -> None:
        self.task = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)
        self.ready = True

    async def shutdown(self) -> None:
        if getattr(self, "ready", False):
            self.task.cancel()


class NeedsInitialize(FaultIntegration):
    async def initialize(self) -> None:
        self.connection = "open"

    async def shutdown(self) -> None:
        del self.connection


class ShutsDownOnce(FaultIntegration):
    def __init__(self, config: IntegrationConfig) -> None:
        super().__init__(config)
        self.connection = "open"

    async def shutdown(self) -> None:
        del self.connection


class SaysTrue(FaultIntegration):
    async def health_check(self) -> HealthReport | None:
        return True  # type: ignore[return-value]


class NotAsync(FaultIntegration):
    def shutdown(self) -> None:  # type: ignore[override]
        return None


class Renamed(FaultIntegration):
    @property
    def name(self) -> str:
        return "another"


class CareFree(FaultIntegration):
    """Takes any settings."""

    @classmethod
    def _checked_settings(cls, config: IntegrationConfig) -> object:  # type: ignore[override]
        return cls.settings_model()


class NeverUnready(FaultIntegration):
    async def initialize(self) -> None:
        return None


BAD: list[tuple[type[FaultIntegration], Callable[..., object]]] = [
    (ForgetsTask, IntegrationContract.test_a_whole_life),
    (ForgetsTask, IntegrationContract.test_shutdown_is_safe_after_a_cancelled_initialize),
    (ForgetsTaskWhenCancelled, IntegrationContract.test_shutdown_is_safe_after_a_cancelled_initialize),
    (NeedsInitialize, IntegrationContract.test_shutdown_is_safe_without_initialize_and_twice),
    (NeedsInitialize, IntegrationContract.test_a_whole_life),
    (ShutsDownOnce, IntegrationContract.test_shutdown_is_safe_after_a_failed_initialize),
    (SaysTrue, IntegrationContract.test_a_whole_life),
    (NotAsync, IntegrationContract.test_the_three_methods_are_coroutines),
    (Renamed, IntegrationContract.test_name_and_config_are_those_it_was_given),
    (CareFree, IntegrationContract.test_bad_settings_are_refused_when_it_is_built),
    (NeverUnready, IntegrationContract.test_shutdown_is_safe_after_a_failed_initialize),
]


async def run(clause: Callable[..., object], contract: IntegrationContract) -> None:
    outcome = clause(contract)
    if inspect.isawaitable(outcome):
        await outcome


@pytest.mark.parametrize(("bad", "clause"), BAD, ids=lambda value: value.__name__)
async def test_each_clause_catches_who_breaks_it(
    bad: type[FaultIntegration], clause: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.testing.contract.SETTLE", 0.01)
    contract = TestFaultIntegration()
    monkeypatch.setattr(contract, "integration", bad, raising=False)
    before = asyncio.all_tasks()
    try:
        with pytest.raises((AssertionError, AttributeError)):
            await run(clause, contract)
    finally:
        for task in asyncio.all_tasks() - before:
            task.cancel()
