"""GET /metrics: what a Prometheus comes for, as the integration has it."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.rest.context import Context
from app.domain.errors import NotFound
from app.domain.ports import Exposition

router = APIRouter(tags=["Platform"])


@router.get("/metrics", summary="Metrics in Prometheus' text format, or OpenMetrics", response_class=Response)
async def metrics(context: Context, request: Request) -> Response:
    for source in context.manager.providing(Exposition):
        kind, text = await source.exposition(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": kind})
    raise NotFound("There are no metrics: the integration 'prometheus' does not serve now.", code="no_metrics")
