"""POST /admin/reload: read the configuration again and swap it in whole, or refuse it and change nothing."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.rest.context import Caller, Context
from app.api.rest.json_response import JSON

router = APIRouter(tags=["Administration"])


@router.post("/admin/reload", summary="Apply the configuration anew")
async def reload(context: Context, caller: Caller) -> Response:
    return JSON(await context.reload())
