"""Jobs with models: the list, one with its progress, and how to stop it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from app.api.context import ApiContext
from app.api.model_jobs import cancel
from app.api.rest.context import Acting, Caller, Context
from app.api.rest.json_response import JSON
from app.api.rest.sse import COMMENT
from app.core.jobs import Job

router = APIRouter(prefix="/models/jobs", tags=["Models"])

EVENTS = "text/event-stream"


@router.get("", summary="What is being fetched and loaded, and what was")
async def list_jobs(context: Context, caller: Caller) -> Response:
    """The newest first, of every worker."""
    return JSON({"jobs": await context.jobs.all()})


@router.get("/{id}", summary="One job")
async def one_job(id: str, request: Request, context: Context, caller: Caller) -> Response:
    """With `Accept: text/event-stream` as it is, then whenever it has changed, until it is over."""
    job = await context.jobs.get(id)
    return states(context, id) if EVENTS in request.headers.get("accept", "") else JSON(job)


@router.delete("/{id}", summary="Stop a job")
async def cancel_job(id: str, context: Context, actor: Acting) -> Response:
    """What was fetched is kept: the same pull goes on from there."""
    return JSON(await cancel(context, actor, id))


def states(context: ApiContext, id: str) -> Response:
    """The states of a job as server-sent events. Leaving does not stop it."""
    frames = _frames(context.jobs.watch(id), context.policy().comment_seconds)
    return StreamingResponse(frames, media_type=EVENTS, headers={"cache-control": "no-cache"})


async def _frames(jobs: AsyncGenerator[Job, None], silence: float) -> AsyncIterator[bytes]:
    """With a comment when nothing was told for `silence` seconds."""
    async with aclosing(jobs):
        upcoming = asyncio.ensure_future(anext(jobs, None))
        try:
            while True:
                if not (await asyncio.wait({upcoming}, timeout=silence))[0]:
                    yield COMMENT
                    continue
                if (job := upcoming.result()) is None:
                    return
                yield b"data: %b\n\n" % msgspec.json.encode(job)
                upcoming = asyncio.ensure_future(anext(jobs, None))
        finally:
            upcoming.cancel()
            await asyncio.wait({upcoming})
