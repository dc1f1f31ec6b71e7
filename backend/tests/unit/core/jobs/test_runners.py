"""What pulls do when the integration that does them is not there, comes later, or breaks off."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from app.core.integration_framework import (
    BaseIntegration,
    IntegrationConfig,
    IntegrationManager,
    IntegrationNotReady,
    IntegrationType,
    Registry,
)
from app.core.jobs import Job, Progress
from app.core.jobs.runners import runners
from app.domain.errors import ModelNotFound, NotFound, PlatformError, UpstreamUnavailable
from app.domain.models import ModelInfo, PullProgress
from app.testing.clock import VirtualClock

JOB = Job(id="job_0", kind="pull", integration="store", model="m", asked_by="ann", created_at=0.0)
BROKEN = UpstreamUnavailable("It broke off.", provider="store")


class Store(BaseIntegration):
    """Of each pull in turn: how many bytes come, and what is raised then. `ready`: whether it starts."""

    accepts_unlisted = False
    pulls: Sequence[tuple[int, PlatformError | None]] = ()
    ready = asyncio.Event()

    async def initialize(self) -> None:
        if not self.ready.is_set():
            raise IntegrationNotReady("not yet")

    async def health_check(self) -> None: ...

    async def shutdown(self) -> None: ...

    def models(self) -> Sequence[ModelInfo]:
        return ()

    async def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        cls = type(self)
        (size, error), *cls.pulls = cls.pulls
        yield PullProgress(model=model, status="fetching", completed_bytes=size, total_bytes=100)
        if error is not None:
            raise error

    async def delete(self, model: str) -> None: ...


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def manager(clock: VirtualClock) -> AsyncGenerator[IntegrationManager, None]:
    Store.ready = asyncio.Event()
    configs = [IntegrationConfig(name="store", type=IntegrationType.MODEL_PLATFORM, health_check_interval=0)]
    manager = IntegrationManager(Registry({"store": Store}, installed=tuple), configs, clock=clock)
    yield manager
    await manager.stop()


async def steps_of(manager: IntegrationManager, clock: VirtualClock) -> list[Progress]:
    async with aclosing(runners(manager, clock)["pull"].work(JOB)) as steps:
        return [step async for step in steps]


async def test_it_waits_for_one_that_starts(manager: IntegrationManager, clock: VirtualClock) -> None:
    Store.pulls = [(100, None)]
    await manager.start(grace=0)
    pulling = asyncio.create_task(steps_of(manager, clock))
    await clock.advance(30)
    assert not pulling.done()
    Store.ready.set()
    await clock.advance(120)
    assert [step.step for step in await pulling] == ["waits for 'store'", "fetching"]


@pytest.mark.parametrize(
    ("pulls", "seconds", "outcome"),
    [
        ([(10, BROKEN), (50, BROKEN), (100, None)], 4, None),
        ([(10, BROKEN)] * 6, 112, UpstreamUnavailable),
        ([(10, BROKEN)] * 5 + [(100, None)], 112, None),
        ([(10, ModelNotFound("There is none."))], 0, ModelNotFound),
    ],
)
async def test_what_breaks_off_is_taken_up_again(
    manager: IntegrationManager,
    clock: VirtualClock,
    pulls: list[tuple[int, PlatformError | None]],
    seconds: int,
    outcome: type[PlatformError] | None,
) -> None:
    Store.pulls = pulls
    Store.ready.set()
    await manager.start()
    began = clock.monotonic()
    pulling = asyncio.create_task(steps_of(manager, clock))
    await clock.advance(seconds - 0.5)
    assert pulling.done() is (seconds == 0)
    await clock.advance(0.5)
    assert clock.monotonic() - began == seconds
    if outcome is not None:
        with pytest.raises(outcome):
            await pulling
        return
    steps = await pulling
    assert steps[-1].completed_bytes == 100
    assert "It broke off. The next try is in 2 s." in [step.step for step in steps]
    assert [step.completed_bytes for step in steps if step.step.startswith("It broke off")] == (
        [10, 50] if seconds == 4 else [10] * 5
    )


async def test_one_that_is_configured_no_more(clock: VirtualClock) -> None:
    with pytest.raises(NotFound, match="no integration 'store' any more"):
        await steps_of(IntegrationManager(Registry({}, installed=tuple), clock=clock), clock)
