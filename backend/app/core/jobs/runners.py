"""What is done in jobs: fetching a model and loading one, by whichever integration can.

Which one is asked by port each time, so a new integration needs nothing here.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TypeVar

from app.core.integration_framework import IntegrationManager, IntegrationState, StateChanged
from app.core.jobs.job import Job, JobKind, Progress
from app.core.jobs.run import Runner
from app.domain.errors import UpstreamUnavailable
from app.domain.ports import ModelLoader, ModelSource, ModelStore

Port = TypeVar("Port", bound=ModelSource)

_STARTING = frozenset(
    {
        IntegrationState.REGISTERED,
        IntegrationState.BLOCKED,
        IntegrationState.INITIALIZING,
        IntegrationState.RETRYING,
    }
)


def runners(manager: IntegrationManager) -> Mapping[JobKind, Runner]:
    async def pull(job: Job) -> AsyncGenerator[Progress, None]:
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

    async def load(job: Job) -> AsyncGenerator[Progress, None]:
        yield Progress(step="loading")
        loader = await _serving(manager, job.integration, ModelLoader)
        await loader.load(job.model)

    return {"pull": Runner(pull, resumes=True), "load": Runner(load, places=16)}


async def _serving(manager: IntegrationManager, name: str, port: type[Port]) -> Port:
    """Waits while it starts. Raises UpstreamUnavailable where it does not, or can't do this."""
    moved = asyncio.Event()
    forget = manager.events.subscribe(StateChanged, lambda _: moved.set())
    try:
        while name in manager.names():
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
