"""Subscriptions. Those without an end of their own end when the platform stops.

A slow reader misses steps, never the outcome: each looks at what is there when it is asked for more.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry

from app.api.graphql import limits
from app.api.graphql.generation import make_call
from app.api.graphql.inputs import Generation, GenerationOptions, MessageInput
from app.api.graphql.jobs import ModelJob, model_job_progress
from app.api.graphql.models import ModelStatus, ModelStatusUpdate, statuses
from app.api.graphql.outputs import Encoder, GenerationEvent
from app.api.graphql.platform import Metrics, metrics_of
from app.api.graphql.request import Asking
from app.api.models import visible
from app.domain.errors import InvalidRequest


async def _generate(
    info: Asking,
    model: str,
    prompt: str | None = None,
    system: str | None = None,
    messages: list[MessageInput] | None = None,
    options: GenerationOptions | None = None,
) -> AsyncGenerator[GenerationEvent, None]:
    wanted = Generation(model=model, prompt=prompt, system=system, messages=messages, options=options)
    with make_call(info.context, wanted, stream=True) as call:
        encoder = Encoder(call)
        async with aclosing(await info.context.api.router.open(call)) as stream:
            async for event in stream:
                told = encoder.encode(event)
                if told is not None:
                    yield told
        yield encoder.done()


async def _model_status_updates(info: Asking) -> AsyncGenerator[ModelStatusUpdate, None]:
    api, ending = info.context.api, info.context.ending
    changed = asyncio.Event()
    unwatch = api.router.catalog.watch(changed.set)
    told: dict[str, ModelStatus] = {}
    try:
        while True:
            changed.clear()
            now = statuses(visible(api, await info.context.again()))
            before, told = told, now
            for name, status in now.items():
                if before.get(name) is not status:
                    yield ModelStatusUpdate(id=strawberry.ID(name), status=status)
            for name in before.keys() - now.keys():
                yield ModelStatusUpdate(id=strawberry.ID(name), status=ModelStatus.REMOVED)
            if await _first_of(changed, ending):
                return
    finally:
        unwatch()


async def _metrics(info: Asking, interval_seconds: float = 1.0) -> AsyncGenerator[Metrics, None]:
    if not interval_seconds >= limits.SHORTEST_INTERVAL:
        raise InvalidRequest(
            f"`intervalSeconds` must be at least {limits.SHORTEST_INTERVAL}.", param="intervalSeconds"
        )
    tally, ending = info.context.api.tally, info.context.ending
    version = None
    while not ending.is_set():
        if version != tally.version:
            version = tally.version
            await info.context.again()
            yield metrics_of(tally.snapshot())
        await _within(ending, interval_seconds)


@strawberry.type
class Subscription:
    generate: AsyncGenerator[GenerationEvent, None] = strawberry.subscription(
        resolver=_generate, description="An answer piece by piece. Unsubscribing stops it at once."
    )
    model_status_updates: AsyncGenerator[ModelStatusUpdate, None] = strawberry.subscription(
        resolver=_model_status_updates, description="Every model's status now, then what changes."
    )
    model_job_progress: AsyncGenerator[ModelJob, None] = strawberry.subscription(
        resolver=model_job_progress, description="A job as it is, then whenever it has changed, until it is over."
    )
    metrics: AsyncGenerator[Metrics, None] = strawberry.subscription(
        resolver=_metrics, description="The figures as they are, then again whenever they have changed."
    )


async def _first_of(changed: asyncio.Event, ending: asyncio.Event) -> bool:
    """Waits for either; True when it is the end."""
    waits = [asyncio.ensure_future(changed.wait()), asyncio.ensure_future(ending.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
    return ending.is_set()


async def _within(ending: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await ending.wait()
    except TimeoutError:
        return
