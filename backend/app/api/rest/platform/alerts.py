"""Alerts that there are now, and silences, as Alertmanager has them."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api import alerts
from app.api.rest.bodies import read_value
from app.api.rest.context import Acting, Caller, Context
from app.api.rest.json_response import JSON
from app.domain.alerts import NewSilence

router = APIRouter(prefix="/alerts", tags=["Alerts"])


@router.get("", summary="Alerts that there are now")
async def list_alerts(context: Context, caller: Caller) -> Response:
    """The most severe first, then the oldest; suppressed ones too."""
    return JSON({"alerts": await alerts.board(context).alerts()})


@router.get("/silences", summary="Silences that hold, or will")
async def list_silences(context: Context, caller: Caller) -> Response:
    return JSON({"silences": await alerts.board(context).silences()})


@router.post("/silences", summary="Keep alerts quiet for a while")
async def silence(request: Request, context: Context, actor: Acting) -> Response:
    """`{"matchers": [{"name": "model", "value": "gpt-4o"}], "seconds": 3600, "comment": "why"}`"""
    wanted = await read_value(request, context.policy(), NewSilence)
    return JSON(await alerts.silence(context, actor, wanted), status_code=201)


@router.delete("/silences/{id}", summary="End a silence")
async def expire(id: str, context: Context, actor: Acting) -> Response:
    await alerts.expire(context, actor, id)
    return JSON({"id": id, "state": "expired"})
