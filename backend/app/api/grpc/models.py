"""The service Models: the catalogue, what changes in it, models being fetched, going into memory and out of it."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import aclosing

from app.api.context import ApiContext
from app.api.grpc.decode import model_name
from app.api.grpc.door import Rpc, caller
from app.api.grpc.generated.llm_platform.v1 import models_pb2 as pb
from app.api.grpc.generated.llm_platform.v1 import models_pb2_grpc
from app.api.model_jobs import cancel, pull
from app.api.models import delete, load, pin, unload, unpin, visible
from app.core.jobs import Job, JobState
from app.domain.principal import Principal
from app.inference.entry import ModelEntry

_STATES: Mapping[JobState, pb.Job.State] = {
    "queued": pb.Job.STATE_QUEUED,
    "running": pb.Job.STATE_RUNNING,
    "done": pb.Job.STATE_DONE,
    "failed": pb.Job.STATE_FAILED,
    "cancelled": pb.Job.STATE_CANCELLED,
}


class Models(models_pb2_grpc.ModelsServicer):
    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def ListModels(self, request: pb.ListModelsRequest, rpc: Rpc) -> pb.ListModelsReply:  # noqa: N802
        return pb.ListModelsReply(models=self._now(caller().principal).values())

    async def WatchModels(self, request: pb.WatchModelsRequest, rpc: Rpc) -> None:  # noqa: N802
        """Pictures are compared, not events queued: a slow reader costs nothing but what it misses."""
        changed = asyncio.Event()
        forget = self._context.router.catalog.watch(changed.set)
        try:
            asking = caller()
            told = self._now(asking.principal)
            for change in changes({}, told):
                await rpc.write(change)
            await rpc.write(pb.ModelChange(kind=pb.ModelChange.KIND_COMPLETE))
            while True:
                await changed.wait()
                changed.clear()
                before, told = told, self._now(await asking.again())
                for change in changes(before, told):
                    await rpc.write(change)
        finally:
            forget()

    async def PullModel(self, request: pb.PullModelRequest, rpc: Rpc) -> None:  # noqa: N802
        job = await pull(self._context, caller().actor(), model_name(request.model))
        async with aclosing(self._context.jobs.watch(job.id)) as states:
            async for state in states:
                await rpc.write(encode_job(state))

    async def ListJobs(self, request: pb.ListJobsRequest, rpc: Rpc) -> pb.ListJobsReply:  # noqa: N802
        return pb.ListJobsReply(jobs=map(encode_job, await self._context.jobs.all()))

    async def CancelJob(self, request: pb.CancelJobRequest, rpc: Rpc) -> pb.Job:  # noqa: N802
        return encode_job(await cancel(self._context, caller().actor(), request.id))

    async def LoadModel(self, request: pb.LoadModelRequest, rpc: Rpc) -> pb.LoadModelReply:  # noqa: N802
        await load(self._context, caller().actor(), model_name(request.model))
        return pb.LoadModelReply()

    async def UnloadModel(self, request: pb.UnloadModelRequest, rpc: Rpc) -> pb.UnloadModelReply:  # noqa: N802
        await unload(self._context, caller().actor(), model_name(request.model))
        return pb.UnloadModelReply()

    async def PinModel(self, request: pb.PinModelRequest, rpc: Rpc) -> pb.PinModelReply:  # noqa: N802
        await pin(self._context, caller().actor(), model_name(request.model))
        return pb.PinModelReply()

    async def UnpinModel(self, request: pb.UnpinModelRequest, rpc: Rpc) -> pb.UnpinModelReply:  # noqa: N802
        await unpin(self._context, caller().actor(), model_name(request.model))
        return pb.UnpinModelReply()

    async def DeleteModel(self, request: pb.DeleteModelRequest, rpc: Rpc) -> pb.DeleteModelReply:  # noqa: N802
        await delete(self._context, caller().actor(), model_name(request.model))
        return pb.DeleteModelReply()

    def _now(self, principal: Principal) -> dict[str, pb.Model]:
        return {entry.name: encode_model(entry) for entry in visible(self._context, principal)}


def changes(before: Mapping[str, pb.Model], now: Mapping[str, pb.Model]) -> Iterator[pb.ModelChange]:
    for name in before.keys() - now.keys():
        yield pb.ModelChange(kind=pb.ModelChange.KIND_REMOVED, model=pb.Model(id=name))
    for name, model in now.items():
        if name not in before:
            yield pb.ModelChange(kind=pb.ModelChange.KIND_ADDED, model=model)
        elif model != before[name]:
            yield pb.ModelChange(kind=pb.ModelChange.KIND_UPDATED, model=model)


def encode_job(job: Job) -> pb.Job:
    return pb.Job(
        id=job.id,
        kind=job.kind,
        integration=job.integration,
        model=job.model,
        asked_by=job.asked_by,
        state=_STATES[job.state],
        step=job.step,
        completed_bytes=job.completed_bytes,
        total_bytes=job.total_bytes,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        error=job.error or "",
        resumed=job.resumed,
    )


def encode_model(entry: ModelEntry) -> pb.Model:
    model = pb.Model(
        id=entry.name,
        providers=sorted({target.integration for target in entry.targets}),
        available=entry.serving,
        owned_by=entry.targets[0].integration,
    )
    known = entry.known
    if known is not None:
        model.MergeFrom(
            pb.Model(
                capabilities=sorted(known.capabilities),
                context_window=known.context_window,
                max_output_tokens=known.max_output_tokens,
                loaded=known.loaded,
                size_bytes=known.size_bytes,
                family=known.family or "",
                format=known.format or "",
                quantization=known.quantization or "",
                owned_by=known.owned_by or "",
                created=known.created,
                loading=known.loading,
                license=known.license or "",
            )
        )
    return model
