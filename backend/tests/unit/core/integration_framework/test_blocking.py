import asyncio

import pytest

from app.core.integration_framework import (
    HealthChecked,
    HealthStatus,
    IntegrationAuthFailed,
    IntegrationDisabled,
    IntegrationNotReady,
    UnknownIntegration,
)
from tests.unit.core.integration_framework.scripted import Platform, S, Scripted, World, config, raising

CHAIN = (config("a", health_check_interval=60), config("b", "a"), config("c", "b"), config("other"))


async def test_a_failed_dependency_blocks_the_whole_chain_and_says_which() -> None:
    world = World()
    world.initialize["a"] = raising(IntegrationAuthFailed("bad key"))
    async with Platform(*CHAIN, world=world) as platform:
        await platform.start()
        assert platform.states() == {"a": S.FAILED, "b": S.BLOCKED, "c": S.BLOCKED, "other": S.READY}
        assert platform.manager.status_of("b").reason == "waits for a, which is failed"
        assert platform.manager.status_of("c").reason == "waits for b, which is blocked"
        assert world.did("initialize") == ["a", "other"]


async def test_a_disabled_dependency_blocks() -> None:
    async with Platform(config("a", enabled=False), config("b", "a")) as platform:
        await platform.passing(platform.manager.start())
        assert platform.manager.status_of("b").reason == "waits for a, which is disabled"


async def test_recovery_releases_the_chain_in_order() -> None:
    world = World()
    world.initialize["a"] = raising(IntegrationNotReady("later"), times=2)
    async with Platform(*CHAIN, world=world) as platform:
        await platform.passing(platform.manager.start())
        assert platform.state("c") is S.BLOCKED
        await platform.clock.advance(10.0)
        assert set(platform.states().values()) == {S.READY}
        assert world.did("initialize") == ["a", "other", "a", "a", "b", "c"]


async def test_one_that_stops_serving_takes_its_dependents_down_until_it_is_back() -> None:
    async with Platform(*CHAIN) as platform:
        world = platform.world
        await platform.start()
        before = platform.manager.get_integration("b")
        world.health["a"] = HealthStatus.UNHEALTHY
        world.initialize["a"] = raising(IntegrationNotReady("still down"))

        await platform.clock.advance(60.0)
        assert platform.states() == {"a": S.DEGRADED, "b": S.READY, "c": S.READY, "other": S.READY}
        await platform.clock.advance(200.0)
        assert platform.states() == {"a": S.RETRYING, "b": S.BLOCKED, "c": S.BLOCKED, "other": S.READY}
        assert {"b", "c"} <= set(world.did("shutdown"))
        assert ("b", S.STOPPING, S.BLOCKED) in platform.moves

        world.health.clear()
        world.initialize.clear()
        await platform.clock.advance(60.0)
        assert set(platform.states().values()) == {S.READY}
        assert platform.manager.get_integration("b") is not before


async def test_one_that_is_still_starting_gives_way_too() -> None:
    world, gate = World(), asyncio.Event()

    async def wait(_: Scripted) -> None:
        await gate.wait()

    world.initialize["b"] = wait
    async with Platform(config("a"), config("b", "a"), world=world) as platform:
        await platform.start()
        assert platform.state("b") is S.INITIALIZING
        world.initialize["a"] = raising(IntegrationAuthFailed("bad key"))
        await platform.passing(platform.manager.restart("a"))
        assert platform.states() == {"a": S.FAILED, "b": S.BLOCKED}
        assert world.did("shutdown") == ["b", "a", "a"]


async def test_one_that_failed_by_itself_stays_failed_whatever_its_dependencies_do() -> None:
    world = World()
    world.initialize["b"] = raising(ValueError("own defect"))
    async with Platform(config("a"), config("b", "a"), world=world) as platform:
        await platform.start()
        await platform.passing(platform.manager.restart("a"))
        status = platform.manager.status_of("b")
        assert (status.state, status.reason) == (S.FAILED, "ValueError: own defect")
        assert world.did("initialize").count("b") == 1


class TestHealth:
    async def test_degraded_serves_and_recovers(self) -> None:
        async with Platform(config("a", health_check_interval=60)) as platform:
            await platform.start()
            platform.world.health["a"] = HealthStatus.DEGRADED
            await platform.clock.advance(300.0)
            status = platform.manager.status_of("a")
            assert (status.state, status.reason) == (S.DEGRADED, "scripted degraded")
            assert [one.name for one in platform.manager.providing(Scripted)] == ["a"]
            platform.world.health.clear()
            await platform.clock.advance(60.0)
            status = platform.manager.status_of("a")
            assert (status.state, status.reason) == (S.READY, "")

    async def test_checks_are_recorded_and_told(self) -> None:
        async with Platform(config("a", health_check_interval=60)) as platform:
            told: list[HealthChecked] = []
            platform.manager.events.subscribe(HealthChecked, told.append)
            await platform.start()
            assert platform.manager.status_of("a").last_check is None
            platform.world.health["a"] = HealthStatus.UNHEALTHY
            await platform.clock.advance(11.0)
            check = platform.manager.status_of("a").last_check
            assert check is not None
            assert (check.at, check.ok, check.message) == (1_700_000_015.0, False, "scripted unhealthy")
            assert told == [HealthChecked(name="a", status=HealthStatus.UNHEALTHY, check=check)]

    async def test_interval_zero_means_no_checks(self) -> None:
        async with Platform(config("a", health_check_interval=0)) as platform:
            await platform.start()
            platform.world.health["a"] = HealthStatus.UNHEALTHY
            await platform.clock.advance(10_000.0)
            assert platform.state("a") is S.READY

    async def test_without_retries_one_that_falls_ill_is_failed(self) -> None:
        sick = config("a", health_check_interval=60, retry_config={"max_retries": 0})
        async with Platform(sick) as platform:
            platform.world.health["a"] = HealthStatus.UNHEALTHY
            await platform.start()
            await platform.clock.advance(300.0)
            assert platform.state("a") is S.FAILED
            assert "6 health checks in a row failed" in platform.manager.status_of("a").reason


class TestStop:
    async def test_dependents_stop_first(self) -> None:
        platform = Platform(*CHAIN)
        await platform.start()
        assert await platform.passing(platform.manager.stop()) == {}
        order = platform.world.did("shutdown")
        assert order.index("c") < order.index("b") < order.index("a")
        assert set(platform.states().values()) == {S.STOPPED}

    async def test_every_error_is_collected_and_nothing_left_out(self) -> None:
        platform = Platform(*CHAIN)
        await platform.start()
        errors = {"c": ValueError("c"), "a": OSError("a")}
        platform.world.shutdown = {name: raising(error) for name, error in errors.items()}
        assert await platform.passing(platform.manager.stop()) == errors
        assert sorted(platform.world.did("shutdown")) == ["a", "b", "c", "other"]

    async def test_independent_ones_stop_side_by_side(self) -> None:
        platform = Platform(config("a"), config("b"))
        await platform.start()
        meeting = asyncio.Barrier(2)

        async def meet(_: Scripted) -> None:
            await meeting.wait()

        platform.world.shutdown = {"a": meet, "b": meet}
        assert await platform.passing(platform.manager.stop()) == {}

    async def test_stopping_during_a_start_ends_the_start(self) -> None:
        world = World()

        async def never(_: Scripted) -> None:
            await asyncio.Event().wait()

        world.initialize["a"] = never
        platform = Platform(config("a"), world=world)
        starting = asyncio.create_task(platform.manager.start(grace=1000.0))
        await platform.clock.settle()
        await platform.passing(platform.manager.stop())
        assert starting.done()
        assert platform.state("a") is S.STOPPED
        assert world.did("shutdown") == ["a"]

    async def test_it_can_be_stopped_twice_unstarted_and_started_again(self) -> None:
        platform = Platform(config("a"))
        assert await platform.passing(platform.manager.stop()) == {}
        await platform.start()
        assert platform.state("a") is S.READY
        assert await platform.passing(platform.manager.stop()) == {}
        assert await platform.passing(platform.manager.stop()) == {}
        assert platform.world.did("shutdown") == ["a"]

    async def test_no_task_is_left(self) -> None:
        before = asyncio.all_tasks()
        platform = Platform(*CHAIN)
        await platform.start()
        await platform.passing(platform.manager.stop())
        await platform.clock.settle()
        assert asyncio.all_tasks() == before


class TestRestart:
    async def test_dependents_go_down_first_and_come_up_again(self) -> None:
        async with Platform(*CHAIN) as platform:
            await platform.start()
            platform.world.log.clear()
            await platform.passing(platform.manager.restart("a"))
            assert platform.world.did("shutdown") == ["c", "b", "a"]
            assert platform.world.did("initialize") == ["a", "b", "c"]
            assert set(platform.states().values()) == {S.READY}
            assert ("c", S.STOPPING, S.BLOCKED) in platform.moves

    async def test_it_mends_what_a_person_has_mended(self) -> None:
        world = World()
        world.initialize["a"] = raising(IntegrationAuthFailed("bad key"))
        async with Platform(*CHAIN, world=world) as platform:
            await platform.start()
            world.initialize.clear()
            await platform.passing(platform.manager.restart("a"))
            assert set(platform.states().values()) == {S.READY}

    async def test_others_are_not_touched(self) -> None:
        async with Platform(*CHAIN) as platform:
            await platform.start()
            before = platform.manager.get_integration("other")
            await platform.passing(platform.manager.restart("a"))
            assert platform.manager.get_integration("other") is before

    @pytest.mark.parametrize(
        ("name", "error"),
        [("ghost", UnknownIntegration), ("off", IntegrationDisabled)],
        ids=["unknown", "disabled"],
    )
    async def test_what_cannot_be_restarted_says_so(self, name: str, error: type[Exception]) -> None:
        async with Platform(config("off", enabled=False)) as platform:
            await platform.start()
            with pytest.raises(error, match=name):
                await platform.passing(platform.manager.restart(name))
