"""What a manager tells of its integrations."""

import logging

import pytest

from app.core.integration_framework import (
    IntegrationNotLoaded,
    IntegrationNotReady,
    IntegrationType,
    UnknownIntegration,
)
from tests.unit.core.integration_framework.scripted import Platform, S, Scripted, World, config, raising


async def test_status_tells_all_there_is() -> None:
    db = config("db", type=IntegrationType.STORAGE, priority=5)
    async with Platform(db, config("api", "db")) as platform:
        await platform.start()
        status = platform.manager.status_of("db")
        assert [one.name for one in platform.manager.status()] == ["api", "db"]
        assert platform.manager.names() == ("api", "db")
        assert (status.type, status.kind, status.priority) == (IntegrationType.STORAGE, "scripted", 5)
        assert (status.state, status.reason, status.since) == (S.READY, "", 1_700_000_000.0)
        assert (status.dependencies, status.dependents) == ((), ("api",))
        assert platform.manager.status_of("api").dependencies == ("db",)


async def test_unknown_names_are_key_errors_that_name_the_known() -> None:
    async with Platform(config("a"), config("b")) as platform:
        for ask in (platform.manager.get_integration, platform.manager.status_of):
            with pytest.raises(KeyError) as raised:
                ask("ghost")
            assert isinstance(raised.value, UnknownIntegration)
            assert str(raised.value) == "no integration is named 'ghost'; there are: a, b"


async def test_one_that_never_had_an_instance_says_why() -> None:
    async with Platform(config("a", "ghost"), config("off", enabled=False)) as platform:
        await platform.start()
        with pytest.raises(IntegrationNotLoaded, match="a is failed: depends on ghost"):
            platform.manager.get_integration("a")
        with pytest.raises(IntegrationNotLoaded, match="off is disabled"):
            platform.manager.get_integration("off")


async def test_providing_finds_serving_ones_by_port_priority_and_name() -> None:
    world = World()
    world.initialize["down"] = raising(IntegrationNotReady("down"))
    configs = [config("z", priority=1), config("b"), config("a"), config("down"), config("f", kind="fault")]
    async with Platform(*configs, world=world) as platform:
        await platform.start()
        assert [one.name for one in platform.manager.providing(Scripted)] == ["z", "a", "b"]


async def test_one_that_cannot_even_be_asked_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    class Touchy(type):
        def __instancecheck__(cls, instance: object) -> bool:
            if getattr(instance, "name", "") == "bad":
                raise RuntimeError("do not touch")
            return True

    class Port(metaclass=Touchy): ...

    async with Platform(config("bad"), config("good")) as platform:
        await platform.start()
        assert [one.name for one in platform.manager.providing(Port)] == ["good"]  # type: ignore[attr-defined]
    assert "could not be asked for Port" in caplog.text


async def test_shared_objects_and_dependencies_reach_the_plugin() -> None:
    async with Platform(config("db"), config("api", "db")) as platform:
        platform.manager.share(dict, {"shared": 1})
        await platform.start()
        api = platform.manager.get_integration("api")
        assert api.context.resource(dict) == {"shared": 1}
        assert api.context.dependency("db") is platform.manager.get_integration("db")
        with pytest.raises(UnknownIntegration, match="api does not declare 'other'"):
            api.context.dependency("other")
        await platform.passing(platform.manager.stop())
        with pytest.raises(IntegrationNotLoaded, match="db is stopped"):
            api.context.dependency("db")


async def test_what_a_plugin_publishes_reaches_subscribers() -> None:
    async with Platform(config("a")) as platform:
        await platform.start()
        heard: list[str] = []
        platform.manager.events.subscribe(str, heard.append)
        platform.manager.get_integration("a").publish("news")
        assert heard == ["news"]


async def test_the_moves_are_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with Platform(config("a")) as platform:
            await platform.start()
    assert platform.moves == [
        ("a", S.REGISTERED, S.INITIALIZING),
        ("a", S.INITIALIZING, S.READY),
        ("a", S.READY, S.STOPPING),
        ("a", S.STOPPING, S.STOPPED),
    ]
    assert "a: initializing -> ready" in caplog.text


async def test_the_operators_configuration_is_copied() -> None:
    mine = config("a", settings={"x": 1})
    async with Platform(mine) as platform:
        await platform.start()
        mine.settings["x"] = 2
        plugin = platform.manager.get_integration("a")
        assert plugin.config.settings == {"x": 1}
        plugin.config.settings["x"] = 3
        summary = await platform.passing(platform.manager.reconfigure([config("a", settings={"x": 1})]))
        assert summary.unchanged == ("a",)
