"""Models as things: list with details, pull, delete, load, unload. A name is `integration/model` or a bare model.

Which integration can do what is asked by port (ModelStore, ModelLoader), so a new one needs nothing here.
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api.model_jobs import pull
from app.api.models import load, store_of, unload, visible
from app.api.rest.bodies import read_value
from app.api.rest.context import Acting, Caller, Context
from app.api.rest.json_response import JSON
from app.api.rest.platform.model_jobs import states

router = APIRouter(prefix="/models", tags=["Models"])


class Pull(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    stream: bool = False


class ModelName(msgspec.Struct, forbid_unknown_fields=True):
    model: str


async def named_model(request: Request, context: Context, caller: Caller) -> ModelName:
    """The body, read only once the caller is known: FastAPI would read any size of it first."""
    return await read_value(request, context.policy(), ModelName)


async def wanted_pull(request: Request, context: Context, caller: Caller) -> Pull:
    return await read_value(request, context.policy(), Pull)


Named = Annotated[ModelName, Depends(named_model)]


@router.get("", summary="Every model with what is known of it")
async def list_models(context: Context, caller: Caller) -> Response:
    found = [
        {
            **msgspec.to_builtins(target.known),
            "id": entry.name,
            "provider": target.integration,
            "available": target.serving,
            **({} if target.price is None else {"price": target.price}),
        }
        for entry in visible(context, caller)
        for target in entry.targets
        if target.known
    ]
    return JSON({"models": found})


@router.post("/pull", status_code=202, summary="Fetch a model, as a job")
async def pull_model(wanted: Annotated[Pull, Depends(wanted_pull)], context: Context, actor: Acting) -> Response:
    """The job, which goes on whoever leaves; with `stream` its progress follows as server-sent events."""
    job = await pull(context, actor, wanted.model)
    return states(context, job.id) if wanted.stream else JSON(job, 202)


@router.post("/load", summary="Bring a model into memory")
async def load_model(name: Named, context: Context, actor: Acting) -> Response:
    await load(context, actor, name.model)
    return JSON({"model": name.model, "loaded": True})


@router.post("/unload", summary="Let a model go from memory")
async def unload_model(name: Named, context: Context, actor: Acting) -> Response:
    await unload(context, actor, name.model)
    return JSON({"model": name.model, "loaded": False})


@router.delete("/{model:path}", summary="Delete a model from its store")
async def delete(model: str, context: Context, actor: Acting) -> Response:
    store, own_name = store_of(context, model)
    await store.delete(own_name)
    await context.accounts.audit.record(actor, "model.delete", f"model:{store.name}/{own_name}")
    return JSON({"model": model, "deleted": True})
