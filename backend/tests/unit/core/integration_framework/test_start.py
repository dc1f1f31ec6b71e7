import asyncio
import logging
from typing import Any

import pytest

from app.core.integration_framework import (
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationManager,
    IntegrationNotReady,
    Registry,
)
from app.domain.errors import UpstreamAuthFailed, UpstreamUnavailable
from tests.unit.core.integration_framework.scripted import Platform, S, Scripted, World, config, raising


async def test_what_is_enabled_comes_up_and_what_is_not_is_left_alone() -> None:
    async with Platform(config("on"), config("off", enabled=False, kind="no_such_kind")) as platform:
        await platform.start()
        assert platform.states() == {"on": S.READY, "off": S.DISABLED}
        assert platform.world.log == [("initialize", "on")]


async def test_two_that_wait_for_each_other_start_side_by_side() -> None:
    world, here, there = World(), asyncio.Event(), asyncio.Event()

    async def meet(plugin: Scripted) -> None:
        mine, other = (here, there) if plugin.name == "a" else (there, here)
        mine.set()
        await other.wait()

    world.initialize = {"a": meet, "b": meet}
    async with Platform(config("a"), config("b"), world=world) as platform:
        await platform.passing(platform.manager.start())
        assert platform.states() == {"a": S.READY, "b": S.READY}


async def test_dependencies_come_first() -> None:
    async with Platform(config("c", "a", "b"), config("b", "a"), config("a")) as platform:
        await platform.start()
        assert platform.world.did("initialize") == ["a", "b", "c"]
        assert set(platform.states().values()) == {S.READY}


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (IntegrationNotReady("starting up"), S.RETRYING, "starting up"),
        (UpstreamUnavailable("no route"), S.RETRYING, "no route"),
        (IntegrationAuthFailed("bad key"), S.FAILED, "bad key"),
        (UpstreamAuthFailed("bad key"), S.FAILED, "bad key"),
        (IntegrationConfigError("no such folder"), S.FAILED, "no such folder"),
        (ValueError("a defect"), S.FAILED, "ValueError: a defect"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_the_plugin_says_what_it_means_and_the_state_follows(
    error: Exception, state: S, reason: str
) -> None:
    world = World()
    world.initialize["x"] = raising(error)
    async with Platform(config("x"), config("other"), world=world) as platform:
        await platform.passing(platform.manager.start())
        status = platform.manager.status_of("x")
        assert (status.state, status.reason) == (state, reason)
        assert platform.state("other") is S.READY
        assert platform.world.did("shutdown") == ["x"]


async def test_a_defect_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.initialize["x"] = raising(ValueError("a defect"))
    async with Platform(config("x"), world=world) as platform:
        await platform.start()
    assert "x failed" in caplog.text
    assert "Traceback" in caplog.text


async def test_a_foreseen_failure_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.initialize["x"] = raising(IntegrationAuthFailed("bad key"))
    async with Platform(config("x"), world=world) as platform:
        await platform.start()
    assert "x: initializing -> failed: bad key" in caplog.text
    assert "Traceback" not in caplog.text


async def test_tries_that_fail_alike_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    world.initialize["x"] = raising(IntegrationNotReady("no route"))
    async with Platform(config("x"), world=world) as platform:
        await platform.start()
        await platform.clock.advance(300.0)
        assert len(world.did("initialize")) > 5
        world.initialize["x"] = raising(IntegrationNotReady("no answer"))
        await platform.clock.advance(300.0)
        world.initialize.clear()
        await platform.clock.advance(300.0)
        assert platform.state("x") is S.READY
    assert [each for each in caplog.messages if each.startswith("x: ")] == [
        "x: initializing -> retrying: no route",
        "x: initializing -> retrying: no answer",
        "x: initializing -> ready",
    ]


async def test_bad_settings_fail_that_integration_alone() -> None:
    bad = config("bad", kind="fault", settings={"initialize": "no such fault"})
    async with Platform(bad, config("good")) as platform:
        await platform.start()
        assert platform.states() == {"bad": S.FAILED, "good": S.READY}
        assert "settings.initialize" in platform.manager.status_of("bad").reason


async def test_a_slow_one_does_not_hold_up_start_and_comes_up_later(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world, gate = World(), asyncio.Event()

    async def wait(_: Scripted) -> None:
        await gate.wait()

    world.initialize["slow"] = wait
    async with Platform(config("slow"), config("above", "slow"), config("fast"), world=world) as platform:
        starting = asyncio.create_task(platform.manager.start(grace=5.0))
        await platform.clock.advance(4.9)
        assert not starting.done()
        await platform.clock.advance(0.1)
        assert starting.done()
        assert "still starting: above, slow" in caplog.text
        assert platform.states() == {"slow": S.INITIALIZING, "above": S.BLOCKED, "fast": S.READY}

        gate.set()
        await platform.clock.settle()
        assert set(platform.states().values()) == {S.READY}


async def test_start_waits_for_a_chain_not_just_for_its_first() -> None:
    world = World()
    world.initialize["b"] = raising(IntegrationNotReady("later"))
    async with Platform(config("a"), config("b", "a"), config("c", "b"), world=world) as platform:
        await platform.passing(platform.manager.start())
        assert platform.states() == {"a": S.READY, "b": S.RETRYING, "c": S.BLOCKED}


@pytest.mark.parametrize(
    ("configs", "failed", "reason", "others"),
    [
        ([config("a", "ghost"), config("b")], "a", "depends on ghost, which is not configured", {"b": S.READY}),
        ([config("a", "a"), config("b")], "a", "dependency cycle: a -> a", {"b": S.READY}),
        (
            [config("a", "b"), config("b", "a"), config("c", "a")],
            "a",
            "dependency cycle: ",
            {"b": S.FAILED, "c": S.BLOCKED},
        ),
        ([config("a", kind="ghost"), config("b")], "a", "no integration of kind 'ghost'", {"b": S.READY}),
    ],
    ids=["unknown dependency", "itself", "cycle", "unknown kind"],
)
async def test_a_wish_that_cannot_be_met_fails_that_one_only(
    configs: list[IntegrationConfig], failed: str, reason: str, others: dict[str, S]
) -> None:
    async with Platform(*configs) as platform:
        starting = asyncio.create_task(platform.manager.start())
        while not starting.done():  # an unknown kind is looked up in a real thread
            await platform.clock.settle()
        assert platform.states() == {failed: S.FAILED, **others}
        assert reason in platform.manager.status_of(failed).reason


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(IntegrationConfigError, match="two integrations are named 'a'"):
        IntegrationManager(Registry({}), [config("a"), config("a", priority=1)])


class TestRetries:
    @staticmethod
    def platform(**retry: Any) -> Platform:
        world = World()
        world.initialize["x"] = raising(IntegrationNotReady("not yet"))
        return Platform(config("x", retry_config=retry), world=world)

    async def test_waits_grow_and_then_stay_at_the_longest_for_ever(self) -> None:
        async with self.platform(max_retries=3, backoff_factor=2, max_backoff=300) as platform:
            await platform.start()
            waits, attempts = [], []
            for _ in range(4):
                status = platform.manager.status_of("x")
                assert status.state is S.RETRYING
                assert status.next_retry_at is not None
                attempts.append(status.attempts)
                waits.append(status.next_retry_at - status.since)
                await platform.clock.advance(status.next_retry_at - platform.clock.now())
            # The 5 s of start saw the tries at 0, 1 and 3 s.
            assert waits == [4.0, 300.0, 300.0, 300.0]
            assert attempts == [3, 4, 5, 6]

    async def test_a_ten_minute_outage_mends_itself(self) -> None:
        world = World()
        async with Platform(config("x"), config("y", "x"), world=world) as platform:
            world.initialize["x"] = raising(IntegrationNotReady("down"))
            await platform.start()
            await platform.clock.advance(600.0)
            assert platform.states() == {"x": S.RETRYING, "y": S.BLOCKED}
            del world.initialize["x"]
            await platform.clock.advance(60.0)
            assert platform.states() == {"x": S.READY, "y": S.READY}
            status = platform.manager.status_of("x")
            assert (status.attempts, status.next_retry_at, status.reason) == (0, None, "")

    async def test_no_retries_means_failed_at_once(self) -> None:
        async with self.platform(max_retries=0) as platform:
            await platform.start()
            await platform.clock.advance(10_000.0)
            assert platform.state("x") is S.FAILED
            assert platform.world.did("initialize") == ["x"]

    async def test_each_try_has_an_instance_of_its_own_and_the_last_is_had(self) -> None:
        async with self.platform(max_retries=3) as platform:
            await platform.start()
            first = platform.manager.get_integration("x")
            await platform.clock.advance(100.0)
            assert platform.manager.get_integration("x") is not first
            tries = platform.world.did("initialize")
            assert len(tries) == len(platform.world.did("shutdown"))
