"""What is done in jobs: fetching a model and loading one, by whichever integration can.

Which one is asked by port each time, so a new integration needs nothing here.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from app.core.clock import Clock, SystemClock
from app.core.integration_framework import IntegrationManager, IntegrationState, StateChanged
from app.core.jobs.job import Job, JobKind, Progress
from app.core.jobs.run import Runner
from app.domain.errors import NotFound, UpstreamTimeout, UpstreamUnavailable
from app.domain.models import Resident
from app.domain.ports import ModelFolder, ModelKeeper, ModelLoader, ModelSource, ModelStore

Port = TypeVar("Port", bound=ModelSource)

# Waits before a pull that broke off is taken up again; one after the other while not a byte comes.
_RETRY_SECONDS = (2.0, 5.0, 15.0, 30.0, 60.0)
# Time between two looks at a load.
_LOOK_SECONDS = 0.2

_STARTING = frozenset(
    {
        IntegrationState.REGISTERED,
        IntegrationState.BLOCKED,
        IntegrationState.INITIALIZING,
        IntegrationState.RETRYING,
    }
)


def runners(manager: IntegrationManager, clock: Clock | None = None) -> Mapping[JobKind, Runner]:
    return {
        "pull": Runner(partial(_pull, manager, clock or SystemClock()), resumes=True),
        "load": Runner(partial(_load, manager), places=16),
    }


async def _pull(manager: IntegrationManager, clock: Clock, job: Job) -> AsyncGenerator[Progress, None]:
    """What breaks off is taken up again, unless it does so again and again without a byte in between."""
    last, failed = Progress(step=""), 0
    while True:
        try:
            async with aclosing(_pulled(manager, job)) as steps:
                async for step in steps:
                    if (step.completed_bytes or 0) > (last.completed_bytes or 0):
                        last, failed = step, 0
                    yield step
            await _look_at_folders(manager)
            return
        except (UpstreamUnavailable, UpstreamTimeout) as error:
            if failed == len(_RETRY_SECONDS):
                raise
            yield replace(last, step=f"{error.message} The next try is in {_RETRY_SECONDS[failed]:g} s.")
        await clock.sleep(_RETRY_SECONDS[failed])
        failed += 1


async def _pulled(manager: IntegrationManager, job: Job) -> AsyncGenerator[Progress, None]:
    if not manager.serves(job.integration):
        yield Progress(step=f"waits for '{job.integration}'")
    store = await _serving(manager, job.integration, ModelStore)
    async with aclosing(store.pull(job.model)) as steps:
        async for step in steps:
            yield Progress(
                step=step.status,
                completed_bytes=step.completed_bytes,
                total_bytes=step.total_bytes,
                details=step.details,
            )


async def _look_at_folders(manager: IntegrationManager) -> None:
    """So that what was fetched can be asked for when the job says that it is there. It was put there whole."""
    for folder in manager.providing(ModelFolder):
        for _ in ("found", "found as it was"):
            await folder.rescan()


async def _load(manager: IntegrationManager, job: Job) -> AsyncGenerator[Progress, None]:
    yield Progress(step="loading")
    loader = await _serving(manager, job.integration, ModelLoader)
    loading = asyncio.ensure_future(loader.load(job.model))
    try:
        while not (await asyncio.wait({loading}, timeout=_LOOK_SECONDS))[0]:
            yield _seen(loader, job.model)
        loading.result()
        yield _at(loader, job.model, "loaded", 1.0)
    finally:
        loading.cancel()
        if _arrival(loader, job.model) is not None:
            await loader.unload(job.model)


def _seen(loader: ModelLoader, name: str) -> Progress:
    """How far it is, where the integration tells that; in bytes of the model."""
    arrival = _arrival(loader, name)
    if arrival is None or arrival.fraction is None:
        return Progress(step="loading")
    return _at(loader, name, arrival.stage or "loading", arrival.fraction)


def _at(loader: ModelLoader, name: str, step: str, fraction: float) -> Progress:
    total = next((model.size_bytes for model in loader.models() if model.id == name), None)
    done = None if total is None else int(total * fraction)
    return Progress(step=step, completed_bytes=done, total_bytes=total)


def _arrival(loader: ModelLoader, name: str) -> Resident | None:
    residents = loader.residents() if isinstance(loader, ModelKeeper) else ()
    return next((each for each in residents if each.model == name and each.status == "loading"), None)


async def _serving(manager: IntegrationManager, name: str, port: type[Port]) -> Port:
    """Waits while it starts. Raises UpstreamUnavailable where it does not, or can't do this."""
    moved = asyncio.Event()
    forget = manager.events.subscribe(StateChanged, lambda _: moved.set())
    try:
        while True:
            if name not in manager.names():
                raise NotFound(f"There is no integration '{name}' any more.", code="integration_not_found")
            moved.clear()
            for source in manager.providing(port):
                if source.name == name:
                    return source
            if manager.status_of(name).state not in _STARTING:
                break
            await moved.wait()
    finally:
        forget()
    raise UpstreamUnavailable(
        f"'{name}' does not serve, or can't do this. GET /integrations/status tells how each is.", provider=name
    )
