"""Tests that every integration must pass, ours and yours::

    class TestEcho(IntegrationContract):
        integration = EchoIntegration
        settings = {"url": "http://127.0.0.1:9"}
        bad_settings = [{"url": 7}]
        unready_settings = {"url": "http://127.0.0.1:1"}

Needs pytest-asyncio with `asyncio_mode = "auto"`. Where settings are known only at run time, such as the port of a
server that an autouse fixture starts, override `good_settings()`.
"""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from app.core.integration_framework import (
    BaseIntegration,
    HealthReport,
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationNotReady,
)
from app.domain.errors import UpstreamError

MEANINGFUL = (IntegrationNotReady, IntegrationAuthFailed, IntegrationConfigError, UpstreamError)
"""What initialize() may raise on purpose."""

SETTLE = 0.5
"""Seconds that tasks get to end after shutdown()."""


class IntegrationContract:
    """`settings`: the integration comes up with these. `bad_settings`: its constructor refuses each of these.
    `unready_settings`: accepted, but initialize() fails in a way that it foresees.
    """

    integration: ClassVar[type[BaseIntegration]]
    settings: ClassVar[Mapping[str, Any]] = {}
    bad_settings: ClassVar[Sequence[Mapping[str, Any]]] = ()
    unready_settings: ClassVar[Mapping[str, Any] | None] = None

    def good_settings(self) -> Mapping[str, Any]:
        return self.settings

    def config(self, settings: Mapping[str, Any]) -> IntegrationConfig:
        return IntegrationConfig(name="under_contract", settings=dict(settings))

    def build(self) -> BaseIntegration:
        return self.integration(self.config(self.good_settings()))

    def test_name_and_config_are_those_it_was_given(self) -> None:
        config = self.config(self.good_settings())
        integration = self.integration(config)
        _require(integration.name == config.name, "name must be the configuration's name")
        _require(integration.config == config, "config must be the configuration it was built with")
        _require(isinstance(integration.settings, self.integration.settings_model), "settings must be checked")

    def test_config_survives_a_round_trip(self) -> None:
        config = self.config(self.good_settings())
        again = IntegrationConfig.model_validate_json(config.model_dump_json())
        _require(again == config, "a configuration written as JSON must read back equal")
        self.integration(again)

    def test_the_three_methods_are_coroutines(self) -> None:
        for name in ("initialize", "health_check", "shutdown"):
            _require(inspect.iscoroutinefunction(getattr(self.integration, name)), f"{name} must be `async def`")

    def test_bad_settings_are_refused_when_it_is_built(self) -> None:
        for settings in self.bad_settings:
            try:
                self.integration(self.config(settings))
            except IntegrationConfigError:
                continue
            raise AssertionError(f"these settings must raise IntegrationConfigError: {settings}")

    async def test_shutdown_is_safe_without_initialize_and_twice(self) -> None:
        integration = self.build()
        await integration.shutdown()
        await integration.shutdown()

    async def test_a_whole_life(self) -> None:
        before = asyncio.all_tasks()
        integration = self.build()
        try:
            await integration.initialize()
            report = await integration.health_check()
            _require(report is None or isinstance(report, HealthReport), "health_check: a HealthReport or None")
        finally:
            await integration.shutdown()
            await integration.shutdown()
        await _require_no_tasks_beyond(before)

    async def test_shutdown_is_safe_after_a_failed_initialize(self) -> None:
        if self.unready_settings is None:
            return
        before = asyncio.all_tasks()
        integration = self.integration(self.config(self.unready_settings))
        try:
            await integration.initialize()
        except MEANINGFUL:
            pass
        else:
            raise AssertionError("initialize() must fail with `unready_settings`")
        finally:
            await integration.shutdown()
            await integration.shutdown()
        await _require_no_tasks_beyond(before)

    async def test_shutdown_is_safe_after_a_cancelled_initialize(self) -> None:
        before = asyncio.all_tasks()
        integration = self.build()
        starting = asyncio.create_task(integration.initialize())
        await asyncio.sleep(0)
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting
        await integration.shutdown()
        await _require_no_tasks_beyond(before)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


async def _require_no_tasks_beyond(before: set["asyncio.Task[Any]"]) -> None:
    left = asyncio.all_tasks() - before
    if left:
        await asyncio.wait(left, timeout=SETTLE)
    names = sorted(str(task.get_coro()) for task in left if not task.done())
    _require(not names, f"shutdown() must end every task, but these run on: {names}")
