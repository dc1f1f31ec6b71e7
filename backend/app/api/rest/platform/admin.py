"""POST /admin/reload: read the configuration again and swap it in whole, or refuse it and change nothing."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.rest.context import Acting, Context
from app.api.rest.json_response import JSON

router = APIRouter(tags=["Administration"])


@router.post("/admin/reload", summary="Apply the configuration anew")
async def reload(context: Context, actor: Acting) -> Response:
    summary = await context.reload()
    was = {field: change["before"] for field, change in summary["settings"].items()}
    await context.accounts.audit.record(actor, "configuration.reload", "configuration", before=was, after=summary)
    return JSON(summary)
