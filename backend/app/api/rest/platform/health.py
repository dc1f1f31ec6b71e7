"""Probes in KServe's manner. Liveness asks nobody; readiness says whether to send requests here."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.rest.context import Context
from app.api.rest.json_response import JSON

router = APIRouter(tags=["Health"])


@router.get("/v1/health", summary="Liveness: the process answers")
@router.get("/health", include_in_schema=False)
@router.get("/healthz", include_in_schema=False)
@router.get("/health/liveliness", include_in_schema=False)
@router.get("/health/liveness", include_in_schema=False)
async def live() -> Response:
    return JSON({"status": "ok"})


@router.get("/v1/health/ready", summary="Readiness: requests may be sent here")
@router.get("/health/ready", include_in_schema=False)
@router.get("/readyz", include_in_schema=False)
@router.get("/health/readiness", include_in_schema=False)
async def ready(context: Context) -> Response:
    if context.ready():
        return JSON({"status": "ready"})
    return JSON({"status": "not ready"}, status_code=503)
