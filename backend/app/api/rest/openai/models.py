"""GET /v1/models and /v1/models/{id}: served from the catalogue's snapshot, never from an upstream."""

from typing import Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.api.models import visible, visible_entry
from app.api.rest.context import Caller, Context
from app.api.rest.json_response import JSON
from app.api.rest.openai.switch import openai_api_serves
from app.inference.entry import ModelEntry

router = APIRouter(tags=["OpenAI"], dependencies=[Depends(openai_api_serves)])


@router.get("/v1/models", summary="List models")
async def list_models(context: Context, caller: Caller) -> Response:
    return JSON({"object": "list", "data": [_model(entry) for entry in visible(context, caller)]})


@router.get("/v1/models/{model:path}", summary="Retrieve a model")
async def retrieve_model(model: str, context: Context, caller: Caller) -> Response:
    return JSON(_model(visible_entry(context, caller, model)))


def _model(entry: ModelEntry) -> dict[str, Any]:
    """OpenAI's four fields, then ours: what gives it, its context window in tokens, and what it can do."""
    known = entry.known
    shown: dict[str, Any] = {
        "id": entry.name,
        "object": "model",
        "created": known.created if known else 0,
        "owned_by": (known and known.owned_by) or entry.targets[0].integration,
        "providers": sorted({target.integration for target in entry.targets}),
        "available": entry.serving,
    }
    if known:
        shown["capabilities"] = sorted(known.capabilities)
        if known.context_window:
            shown["context_window"] = known.context_window
    return shown
