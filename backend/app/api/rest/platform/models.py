"""Models as things: list with details, pull, delete, load, unload. A name is `integration/model` or a bare model.

Which integration can do what is asked by port (ModelStore, ModelLoader), so a new one needs nothing here.
"""

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from app.api.models import load, owner, unload, visible
from app.api.rest.bodies import read_value
from app.api.rest.context import Acting, Caller, Context
from app.api.rest.json_response import JSON
from app.domain.errors import InternalError, PlatformError
from app.domain.models import PullProgress
from app.domain.ports import ModelStore
from app.wire.openai_chat import errors

logger = logging.getLogger(__name__)
router = APIRouter(prefix="/models", tags=["Models"])


class ModelName(msgspec.Struct, forbid_unknown_fields=True):
    model: str


async def named_model(request: Request, context: Context, caller: Caller) -> ModelName:
    """The body, read only once the caller is known: FastAPI would read any size of it first."""
    return await read_value(request, context.policy(), ModelName)


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


@router.post("/pull", summary="Fetch a model; progress comes as server-sent events")
async def pull(name: Named, context: Context, actor: Acting) -> Response:
    store, model = owner(context, name.model, ModelStore)
    steps = store.pull(model)
    first = await anext(steps, None)
    await context.accounts.audit.record(actor, "model.pull", f"model:{store.name}/{model}")
    return StreamingResponse(_frames(first, steps), media_type="text/event-stream")


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
    store, own_name = owner(context, model, ModelStore)
    await store.delete(own_name)
    await context.accounts.audit.record(actor, "model.delete", f"model:{store.name}/{own_name}")
    return JSON({"model": model, "deleted": True})


async def _frames(first: PullProgress | None, rest: AsyncIterator[PullProgress]) -> AsyncIterator[bytes]:
    try:
        if first is not None:
            yield _frame(first)
        async for step in rest:
            yield _frame(step)
    except PlatformError as error:
        yield b"data: %b\n\n" % errors.encode(error)[1]
    except Exception:
        logger.exception("defect while a model was pulled")
        yield b"data: %b\n\n" % errors.encode(InternalError("The pull failed unexpectedly."))[1]


def _frame(value: Any) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(value)
