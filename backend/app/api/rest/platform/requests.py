"""GET /v1/requests/{id}/explain: why a request went where it went."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.explain import explain
from app.api.rest.context import Caller, Context
from app.api.rest.json_response import JSON
from app.inference.explanation import Explanation

router = APIRouter(prefix="/v1/requests", tags=["Requests"])

_TOLD = {"$ref": f"#/components/schemas/{Explanation.__name__}"}


@router.get(
    "/{id}/explain",
    summary="Why a request went where it went",
    responses={
        200: {"description": "What was decided, and why.", "content": {"application/json": {"schema": _TOLD}}}
    },
)
async def explained(id: str, context: Context, caller: Caller) -> Response:
    """Of the last requests that ended (`routing.explained`): your own, or anybody's for operators."""
    return JSON(await explain(context, id, caller))
