import asyncio
from collections.abc import Callable

import pytest

from app.core.integration_framework import (
    BaseIntegration,
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationNotReady,
    Reconfiguration,
    StateChanged,
    UnknownIntegration,
)
from tests.unit.core.integration_framework.scripted import Act, Platform, S, Scripted, World, config, raising

NEW = {"settings": {"version": 2}}


async def reload(platform: Platform, *configs: IntegrationConfig, drain: float = 30.0) -> Reconfiguration:
    return await platform.passing(platform.manager.reconfigure(configs, drain=drain))


async def test_the_summary_tells_what_was_done_and_the_unchanged_is_untouched() -> None:
    before = [config("same"), config("new_settings"), config("gone"), config("off", enabled=False)]
    async with Platform(*before) as platform:
        await platform.start()
        same = platform.manager.get_integration("same")
        wanted = [config("same"), config("new_settings", **NEW), config("fresh"), config("off", enabled=False)]
        assert await reload(platform, *wanted) == Reconfiguration(
            added=("fresh",), changed=("new_settings",), removed=("gone",), unchanged=("same", "off")
        )
        assert platform.manager.get_integration("same") is same
        assert platform.states() == {"same": S.READY, "new_settings": S.READY, "fresh": S.READY, "off": S.DISABLED}


async def test_the_same_configuration_again_does_nothing() -> None:
    async with Platform(config("a"), config("b", "a")) as platform:
        await platform.start()
        platform.moves.clear()
        assert (await reload(platform, config("b", "a"), config("a"))).unchanged == ("b", "a")
        assert platform.moves == []


async def test_two_of_one_name_are_refused_before_anything_is_touched() -> None:
    async with Platform(config("a")) as platform:
        await platform.start()
        with pytest.raises(IntegrationConfigError, match="two integrations are named 'b'"):
            await reload(platform, config("b"), config("b"))
        assert platform.states() == {"a": S.READY}


async def test_there_is_a_moment_when_the_new_one_serves_and_the_removed_one_still_does() -> None:
    """Whoever sends requests to either moves them then."""
    world, gate = World(), asyncio.Event()

    async def waits(plugin: Scripted) -> None:
        await gate.wait()

    world.initialize["fresh"] = waits
    async with Platform(config("gone"), world=world) as platform:
        await platform.start()
        seen: list[dict[str, S]] = []
        reloading = asyncio.create_task(
            platform.manager.reconfigure([config("fresh")], switch=lambda: seen.append(platform.states()))
        )
        await platform.clock.settle()
        assert (seen, platform.state("gone")) == ([], S.READY)
        gate.set()
        await platform.clock.settle()
        assert reloading.result().removed == ("gone",)
        assert seen == [{"fresh": S.READY, "gone": S.READY}]
        assert platform.states() == {"fresh": S.READY}


async def test_a_changed_one_takes_over_when_ready_and_the_old_one_drains() -> None:
    world, gate = World(), asyncio.Event()

    async def second_waits(plugin: Scripted) -> None:
        if plugin.config.settings:
            await gate.wait()

    world.initialize["a"] = second_waits
    async with Platform(config("a"), config("above", "a"), world=world) as platform:
        await platform.start()
        old, above = platform.manager.get_integration("a"), platform.manager.get_integration("above")
        told: list[StateChanged] = []
        platform.manager.events.subscribe(StateChanged, told.append)

        reloading = asyncio.create_task(
            platform.manager.reconfigure([config("a", **NEW), config("above", "a")], drain=30.0)
        )
        await platform.clock.advance(10.0)
        assert platform.manager.get_integration("a") is old
        assert (platform.state("a"), told) == (S.READY, [])

        gate.set()
        await platform.clock.settle()
        assert reloading.result().changed == ("a",)
        new = platform.manager.get_integration("a")
        assert new.config.settings == {"version": 2}
        assert above.context.dependency("a") is new
        assert told == [StateChanged(name="a", old=S.READY, new=S.READY, reason="reconfigured")]
        assert platform.manager.get_integration("above") is above

        await platform.clock.advance(29.9)
        assert world.did("shutdown") == []
        await platform.clock.advance(0.1)
        assert world.did("shutdown") == ["a"]
        assert len(told) == 1


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (raising(IntegrationAuthFailed("bad key")), "failed: bad key"),
        (raising(IntegrationNotReady("no route")), "retrying: no route"),
        (raising(ValueError("defect")), "failed: ValueError: defect"),
    ],
)
async def test_a_change_that_does_not_come_up_is_refused_and_the_old_one_goes_on(act: Act, reason: str) -> None:
    async with Platform(config("a"), config("above", "a")) as platform:
        await platform.start()
        old, above = platform.manager.get_integration("a"), platform.manager.get_integration("above")
        platform.moves.clear()
        platform.world.initialize["a"] = act
        summary = await reload(platform, config("a", **NEW), config("above", "a"))
        assert summary == Reconfiguration(unchanged=("above",), refused={"a": reason})
        assert platform.manager.get_integration("a") is old
        assert platform.manager.get_integration("above") is above
        assert platform.moves == []
        assert platform.world.did("shutdown") == ["a"]

        platform.world.initialize.clear()
        assert (await reload(platform, config("a", **NEW), config("above", "a"))).changed == ("a",)


@pytest.mark.parametrize(
    "wanted",
    [
        [config("a", "b"), config("b", "a")],
        [config("a", "ghost"), config("b", "a")],
        [config("a", "failing"), config("b", "a"), config("failing")],
    ],
    ids=["closes a cycle", "unknown dependency", "dependency fails"],
)
async def test_a_change_that_could_not_run_is_refused(wanted: list[IntegrationConfig]) -> None:
    async with Platform(config("a"), config("b", "a")) as platform:
        await platform.start()
        before = [platform.manager.get_integration(name) for name in ("a", "b")]
        platform.world.initialize["failing"] = raising(IntegrationAuthFailed("bad key"))
        summary = await reload(platform, *wanted)
        assert list(summary.refused) == ["a"]
        assert [platform.manager.get_integration(name) for name in ("a", "b")] == before
        assert (platform.state("a"), platform.state("b")) == (S.READY, S.READY)


async def test_a_changed_one_waits_for_a_new_dependency_of_its_own() -> None:
    world, gate = World(), asyncio.Event()

    async def wait(_: Scripted) -> None:
        await gate.wait()

    world.initialize["fresh"] = wait
    async with Platform(config("b"), world=world) as platform:
        await platform.start()
        reloading = asyncio.create_task(platform.manager.reconfigure([config("fresh"), config("b", "fresh")]))
        await platform.clock.advance(10.0)
        assert not reloading.done()
        gate.set()
        await platform.clock.settle()
        assert reloading.result().changed == ("b",)
        assert platform.states() == {"b": S.READY, "fresh": S.READY}


async def test_changes_are_made_in_the_order_of_their_dependencies() -> None:
    world = World()
    world.initialize["z"] = raising(IntegrationNotReady("wrong address"))
    async with Platform(config("a"), config("z"), world=world) as platform:
        await platform.start()
        world.initialize.clear()
        # At the time of the reload z is down, and being exchanged; a must not be refused for that.
        assert (await reload(platform, config("a", "z", **NEW), config("z", **NEW))).changed == ("a", "z")
        assert platform.states() == {"a": S.READY, "z": S.READY}


async def test_a_reload_comes_to_its_end_although_its_caller_leaves() -> None:
    async with Platform(config("a")) as platform:
        await platform.start()
        reloading = asyncio.create_task(platform.manager.reconfigure([config("a", **NEW)], drain=0.0))
        await asyncio.sleep(0)
        reloading.cancel()
        await platform.clock.settle()
        assert reloading.cancelled()
        assert platform.manager.get_integration("a").config.settings == {"version": 2}
        assert platform.world.did("shutdown") == ["a"]


async def test_one_that_does_not_serve_is_exchanged_at_once() -> None:
    world = World()
    world.initialize["a"] = raising(IntegrationNotReady("wrong address"))
    async with Platform(config("a"), config("above", "a"), world=world) as platform:
        await platform.start()
        world.initialize.clear()
        assert (await reload(platform, config("a", **NEW), config("above", "a"))).changed == ("a",)
        await platform.clock.settle()
        assert platform.states() == {"a": S.READY, "above": S.READY}


async def test_an_exclusive_one_is_stopped_before_the_new_one_starts() -> None:
    async with Platform(config("a", kind="exclusive"), config("above", "a")) as platform:
        await platform.start()
        platform.world.log.clear()
        assert (await reload(platform, config("a", kind="exclusive", **NEW), config("above", "a"))).changed == (
            "a",
        )
        assert platform.world.log.index(("shutdown", "a")) < platform.world.log.index(("initialize", "a"))
        await platform.clock.settle()
        assert platform.states() == {"a": S.READY, "above": S.READY}


async def test_a_removed_one_is_gone_at_once_and_shut_down_after_the_drain() -> None:
    async with Platform(config("a"), config("b")) as platform:
        await platform.start()
        platform.moves.clear()
        await reload(platform, config("b"), drain=30.0)
        assert platform.manager.names() == ("b",)
        assert platform.manager.providing(Scripted) == [platform.manager.get_integration("b")]
        with pytest.raises(UnknownIntegration):
            platform.manager.get_integration("a")
        assert platform.moves == [("a", S.READY, S.STOPPING)]
        await platform.clock.advance(29.9)
        assert platform.world.did("shutdown") == []
        await platform.clock.advance(0.1)
        assert platform.world.did("shutdown") == ["a"]


async def test_removing_a_dependency_fails_what_wants_it_until_it_is_back() -> None:
    async with Platform(config("a"), config("b", "a")) as platform:
        await platform.start()
        await reload(platform, config("b", "a"))
        status = platform.manager.status_of("b")
        assert (status.state, status.reason) == (S.FAILED, "depends on a, which is not configured")
        await reload(platform, config("b", "a"), config("a"))
        await platform.clock.settle()
        assert platform.states() == {"a": S.READY, "b": S.READY}


async def test_switching_off_and_on() -> None:
    async with Platform(config("a"), config("b", "a")) as platform:
        await platform.start()
        assert (await reload(platform, config("a", enabled=False), config("b", "a"), drain=0.0)).changed == ("a",)
        await platform.clock.settle()
        assert platform.states() == {"a": S.DISABLED, "b": S.BLOCKED}
        assert sorted(platform.world.did("shutdown")) == ["a", "b"]
        assert ("a", S.READY, S.DISABLED) in platform.moves
        await reload(platform, config("a"), config("b", "a"))
        await platform.clock.settle()
        assert platform.states() == {"a": S.READY, "b": S.READY}


async def test_one_that_is_replaced_lives_as_long_as_its_requests_and_the_reload_waits_for_none() -> None:
    world, under_way = World(), {"quiet": 0, "long": 1}

    def fails() -> bool:
        raise RuntimeError("not to be told")

    world.busy = {"quiet": lambda: under_way["quiet"] > 0, "long": lambda: under_way["long"] > 0, "odd": fails}
    async with Platform(config("quiet"), config("long"), config("odd"), world=world) as platform:
        await platform.start()
        changed = [config(name, **NEW) for name in ("quiet", "long", "odd")]
        assert len((await reload(platform, *changed, drain=600.0)).changed) == 3
        await platform.clock.advance(29.9)  # who has chosen it may begin still
        assert world.did("shutdown") == []
        await platform.clock.advance(0.1)
        assert world.did("shutdown") == ["quiet"]
        await platform.clock.advance(500.0)
        assert world.did("shutdown") == ["quiet"]
        under_way["long"] = 0
        await platform.clock.advance(1.0)
        assert world.did("shutdown") == ["quiet", "long"]
        await platform.clock.advance(69.0)
        assert world.did("shutdown") == ["quiet", "long", "odd"]


async def test_stopping_cuts_the_drain_short_and_forgets_nobody() -> None:
    platform = Platform(config("a"), config("b"))
    await platform.start()
    await reload(platform, config("b", **NEW), drain=1000.0)
    platform.world.shutdown["a"] = raising(ValueError("a"))
    errors = await platform.passing(platform.manager.stop())
    assert list(errors) == ["a"]
    assert sorted(platform.world.did("shutdown")) == ["a", "b", "b"]


async def test_stopping_ends_a_reload_under_way() -> None:
    platform = Platform(config("a"))
    await platform.start()

    async def never(_: Scripted) -> None:
        await asyncio.Event().wait()

    platform.world.initialize["a"] = never
    reloading = asyncio.create_task(platform.manager.reconfigure([config("a", **NEW)]))
    await platform.clock.settle()
    await platform.passing(platform.manager.stop())
    assert reloading.result().refused == {"a": "the platform is being stopped"}
    assert platform.states() == {"a": S.STOPPED}
    assert platform.world.did("shutdown") == ["a", "a"]


@pytest.mark.parametrize(
    "look",
    [lambda platform: platform.manager.get_integration("a"), lambda p: p.manager.providing(Scripted)[0]],
    ids=["by name", "by port"],
)
async def test_over_twenty_reloads_there_is_always_one_that_serves(
    look: Callable[[Platform], BaseIntegration],
) -> None:
    async with Platform(config("a")) as platform:
        await platform.start()
        gaps: list[str] = []

        def check(event: object) -> None:
            plugin = look(platform)
            if not platform.state("a").serves or plugin.config.settings.get("down"):
                gaps.append(str(event))

        platform.manager.events.subscribe(object, check)
        for version in range(20):
            await reload(platform, config("a", settings={"version": version}), drain=5.0)
            await platform.clock.advance(3.0)
        assert gaps == []
        await platform.clock.advance(5.0)
        assert len(platform.world.did("shutdown")) == 20
