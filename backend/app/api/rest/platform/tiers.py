"""Tiers: who is in which, and how much its members may use. Those of the configuration are shown, not changed."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.accounts.allowances.schemas import TierWanted
from app.api import tiers
from app.api.rest import openapi
from app.api.rest.bodies import read_value
from app.api.rest.context import Acting, Caller, Context
from app.api.rest.json_response import JSON

router = APIRouter(prefix="/v1/tiers", tags=["Limits"])

_TIER: dict[str, Any] = {"responses": openapi.told("TierShown")}


@router.get("", summary="List tiers")
async def list_tiers(context: Context, caller: Caller) -> Response:
    """All for operators and administrators; for others the one that they are in."""
    return JSON({"object": "list", "data": await tiers.tiers(context, caller)})


@router.get("/{name}", summary="Retrieve a tier", **_TIER)
async def retrieve_tier(name: str, context: Context, caller: Caller) -> Response:
    return JSON(await tiers.tier(context, caller, name))


@router.put("/{name}", summary="Set a tier", openapi_extra=openapi.wanted("TierWanted"), **_TIER)
async def set_tier(name: str, request: Request, context: Context, actor: Acting) -> Response:
    """In the place of the one of its name, if there is one. Every process goes by it within seconds."""
    wanted = await read_value(request, context.policy(), TierWanted)
    return JSON(await tiers.set_tier(context, actor, name, wanted))


@router.delete("/{name}", summary="Delete a tier that no key names")
async def delete_tier(name: str, context: Context, actor: Acting) -> Response:
    await tiers.delete_tier(context, actor, name)
    return JSON({"name": name, "object": "tier", "deleted": True})
