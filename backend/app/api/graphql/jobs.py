"""Jobs with models as GraphQL shows them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum

import strawberry
from strawberry.scalars import JSON

from app.api.graphql.keys import check_first
from app.api.graphql.request import Asking
from app.api.graphql.scalars import Count, moment
from app.api.model_jobs import cancel, pull
from app.core.jobs import Job
from app.domain.errors import NotFound


@strawberry.enum
class ModelJobState(Enum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@strawberry.type(description="A model being fetched, converted or loaded.")
class ModelJob:
    id: strawberry.ID
    kind: str = strawberry.field(description="pull, load, convert.")
    integration: str
    model: str = strawberry.field(description="What the integration calls it.")
    asked_by: str = strawberry.field(description="The principal who asked first.")
    state: ModelJobState
    step: str = strawberry.field(description="What is being done, for people.")
    completed_bytes: Count | None
    total_bytes: Count | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None = strawberry.field(description="Why it failed.")
    resumed: int = strawberry.field(description="How often it was begun again after its process had ended.")
    details: JSON = strawberry.field(description="What the integration tells beside: files, revision, why these.")


def shown(job: Job) -> ModelJob:
    return ModelJob(
        id=strawberry.ID(job.id),
        kind=job.kind,
        integration=job.integration,
        model=job.model,
        asked_by=job.asked_by,
        state=ModelJobState(job.state),
        step=job.step,
        completed_bytes=None if job.completed_bytes is None else Count(job.completed_bytes),
        total_bytes=None if job.total_bytes is None else Count(job.total_bytes),
        created_at=moment(job.created_at),
        started_at=None if job.started_at is None else moment(job.started_at),
        finished_at=None if job.finished_at is None else moment(job.finished_at),
        error=job.error,
        resumed=job.resumed,
        details=JSON(job.details),
    )


async def model_jobs(info: Asking, first: int = 50) -> list[ModelJob]:
    check_first(first)
    return [shown(job) for job in (await info.context.api.jobs.all())[:first]]


async def model_job(info: Asking, id: strawberry.ID) -> ModelJob | None:
    try:
        return shown(await info.context.api.jobs.get(id))
    except NotFound:
        return None


async def pull_model(info: Asking, id: strawberry.ID) -> ModelJob:
    return shown(await pull(info.context.api, info.context.actor(), id))


async def cancel_model_job(info: Asking, id: strawberry.ID) -> ModelJob:
    return shown(await cancel(info.context.api, info.context.actor(), id))


async def model_job_progress(info: Asking, id: strawberry.ID) -> AsyncGenerator[ModelJob, None]:
    async with aclosing(info.context.api.jobs.watch(id)) as states:
        async for job in states:
            await info.context.again()
            yield shown(job)
