"""Models as things: list with details, pull, delete, load, unload. A name is `integration/model` or a bare model.

Which integration can do what is asked by port (ModelStore, ModelLoader), so a new one needs nothing here.
"""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from app.api.model_jobs import begin_load, pull
from app.api.model_registry import registered
from app.api.model_search import search
from app.api.models import delete, load, pin, unload, unpin
from app.api.rest.bodies import read_value
from app.api.rest.context import Acting, Caller, Context
from app.api.rest.json_response import JSON
from app.api.rest.platform.model_jobs import states

router = APIRouter(prefix="/models", tags=["Models"])


class Pull(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    stream: bool = False


class Load(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    background: bool = False
    stream: bool = False


class ModelName(msgspec.Struct, forbid_unknown_fields=True):
    model: str


async def named_model(request: Request, context: Context, caller: Caller) -> ModelName:
    """The body, read only once the caller is known: FastAPI would read any size of it first."""
    return await read_value(request, context.policy(), ModelName)


async def wanted_pull(request: Request, context: Context, caller: Caller) -> Pull:
    return await read_value(request, context.policy(), Pull)


async def wanted_load(request: Request, context: Context, caller: Caller) -> Load:
    return await read_value(request, context.policy(), Load)


Named = Annotated[ModelName, Depends(named_model)]


@router.get("", summary="Every model with what is known of it")
async def list_models(context: Context, caller: Caller) -> Response:
    """Also of those whose integration is down, and of names that are configured for it."""
    return JSON({"models": registered(context, caller)})


class Search(BaseModel):
    """`tags`: all of these, with commas. `sort`: downloads, likes, created_at, last_modified, trending_score."""

    model_config = ConfigDict(extra="forbid")

    q: str = ""
    limit: int = 20
    author: str | None = None
    task: str | None = None
    tags: str | None = None
    sort: str | None = None


@router.get("/search", summary="Find models that may be fetched")
async def search_models(wanted: Annotated[Search, Query()], context: Context, caller: Caller) -> Response:
    filters = wanted.model_dump(exclude={"q", "limit"})
    return JSON({"models": await search(context, wanted.q, wanted.limit, filters)})


@router.post("/pull", status_code=202, summary="Fetch a model, as a job")
async def pull_model(wanted: Annotated[Pull, Depends(wanted_pull)], context: Context, actor: Acting) -> Response:
    """The job, which goes on whoever leaves; with `stream` its progress follows as server-sent events."""
    job = await pull(context, actor, wanted.model)
    return states(context, job.id) if wanted.stream else JSON(job, 202)


@router.post("/load", summary="Bring a model into memory")
async def load_model(wanted: Annotated[Load, Depends(wanted_load)], context: Context, actor: Acting) -> Response:
    """Answers once it is there. With `background` a job does it, and with `stream` that is told as it goes on."""
    if wanted.background or wanted.stream:
        job = await begin_load(context, actor, wanted.model)
        return states(context, job.id) if wanted.stream else JSON(job, 202)
    await load(context, actor, wanted.model)
    return JSON({"model": wanted.model, "loaded": True})


@router.post("/unload", summary="Let a model go from memory")
async def unload_model(name: Named, context: Context, actor: Acting) -> Response:
    """After its running answers. A load that is under way is given up."""
    await unload(context, actor, name.model)
    return JSON({"model": name.model, "loaded": False})


@router.post("/pin", summary="Keep a model in memory")
async def pin_model(name: Named, context: Context, actor: Acting) -> Response:
    """Loads it, too. It makes room for no other, until it is unpinned or the platform ends."""
    await pin(context, actor, name.model)
    return JSON({"model": name.model, "pinned": True})


@router.post("/unpin", summary="Let a model make room again")
async def unpin_model(name: Named, context: Context, actor: Acting) -> Response:
    await unpin(context, actor, name.model)
    return JSON({"model": name.model, "pinned": False})


@router.delete("/{model:path}", summary="Delete a model from its store")
async def delete_model(model: str, context: Context, actor: Acting) -> Response:
    await delete(context, actor, model)
    return JSON({"model": model, "deleted": True})
