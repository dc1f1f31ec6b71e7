"""Budgets, and what is spent of them. Those of the configuration are shown, not changed."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.accounts.allowances.schemas import BudgetWanted
from app.api import budgets
from app.api.rest import openapi
from app.api.rest.bodies import read_value
from app.api.rest.context import Acting, Caller, Context
from app.api.rest.json_response import JSON

router = APIRouter(prefix="/v1/budgets", tags=["Limits"])

_BUDGET: dict[str, Any] = {"responses": openapi.told("BudgetShown")}


@router.get("", summary="List budgets, with what is left of them")
async def list_budgets(context: Context, caller: Caller) -> Response:
    """All for operators and administrators; for others those of their own key and team."""
    return JSON({"object": "list", "data": await budgets.budgets(context, caller)})


@router.get("/{name}", summary="Retrieve a budget", **_BUDGET)
async def retrieve_budget(name: str, context: Context, caller: Caller) -> Response:
    return JSON(await budgets.budget(context, caller, name))


@router.put("/{name}", summary="Set a budget", openapi_extra=openapi.wanted("BudgetWanted"), **_BUDGET)
async def set_budget(name: str, request: Request, context: Context, actor: Acting) -> Response:
    """In the place of the one of its name, if there is one. What was spent in its period counts already."""
    wanted = await read_value(request, context.policy(), BudgetWanted)
    return JSON(await budgets.set_budget(context, actor, name, wanted))


@router.delete("/{name}", summary="Delete a budget")
async def delete_budget(name: str, context: Context, actor: Acting) -> Response:
    await budgets.delete_budget(context, actor, name)
    return JSON({"name": name, "object": "budget", "deleted": True})
