"""A platform is ready once its storage has come up, or has not: whatever else is slow."""

import asyncio

import pytest

from app.core.integration_framework import IntegrationNotReady, IntegrationType
from app.readiness import PATIENCE_SECONDS, StorageStart
from tests.unit.core.integration_framework.scripted import Platform, Scripted, World, config


@pytest.mark.parametrize("error", [None, IntegrationNotReady("it is away")])
async def test_storage_is_waited_for_until_it_is_there_or_away(error: Exception | None) -> None:
    world, arrived = World(), asyncio.Event()

    async def slow(plugin: Scripted) -> None:
        await arrived.wait()
        if error is not None and plugin.name == "database":
            raise error

    async def never(_: Scripted) -> None:
        await asyncio.Event().wait()

    world.initialize = {"database": slow, "other": never}
    async with Platform(
        config("database", type=IntegrationType.STORAGE), config("other"), world=world
    ) as platform:
        start = StorageStart(platform.manager, platform.clock)
        await platform.passing(platform.manager.start(grace=1.0), 1.0)
        assert not start.over()
        arrived.set()
        await platform.clock.advance(0.1)
        assert start.over()
        await platform.clock.advance(60.0)  # a retry of what is away is not waited for
        assert start.over()


async def test_what_hangs_is_not_waited_for_any_longer() -> None:
    world = World()

    async def never(_: Scripted) -> None:
        await asyncio.Event().wait()

    world.initialize = {"database": never}
    async with Platform(config("database", type=IntegrationType.STORAGE), world=world) as platform:
        start, told = StorageStart(platform.manager, platform.clock), list[bool]()
        await platform.passing(platform.manager.start(grace=1.0), 1.0)
        telling = asyncio.create_task(start.at_the_latest(lambda: told.append(start.over())))
        await platform.clock.advance(PATIENCE_SECONDS - 2.0)
        assert (start.over(), told) == (False, [])
        await platform.clock.advance(1.0)
        assert (start.over(), told) == (True, [True])
        await telling
