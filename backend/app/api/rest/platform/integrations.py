"""The integration graph: who runs, in which state, since when and why."""

from collections import Counter

from fastapi import APIRouter
from starlette.responses import Response

from app.api.context import ApiContext
from app.api.rest.context import Acting, Caller, Context
from app.api.rest.json_response import JSON
from app.core.integration_framework import (
    IntegrationDisabled,
    IntegrationState,
    IntegrationStatus,
    UnknownIntegration,
)
from app.domain.errors import Conflict, NotFound

router = APIRouter(prefix="/integrations", tags=["Integrations"])

# At rest because somebody wanted it so: no sign of trouble.
_IN_ORDER = frozenset({IntegrationState.READY, IntegrationState.DISABLED})


@router.get("/status", summary="Every integration, whole")
async def status(context: Context, caller: Caller) -> Response:
    return JSON({"integrations": context.manager.status()})


@router.get("/health", summary="A verdict, and what stands in its way")
async def health(context: Context, caller: Caller) -> Response:
    """`healthy` when every enabled integration is READY, else `degraded`; `unavailable` when none serves."""
    found = context.manager.status()
    enabled = [each for each in found if each.state is not IntegrationState.DISABLED]
    troubled = [each for each in enabled if each.state not in _IN_ORDER]
    verdict = (
        "healthy" if not troubled else "degraded" if any(each.state.serves for each in enabled) else "unavailable"
    )
    return JSON(
        {
            "status": verdict,
            "states": Counter(each.state.value for each in found),
            "troubled": {each.name: f"{each.state.value}: {each.reason}" for each in troubled},
        }
    )


@router.get("/{name}/status", summary="One integration, whole")
async def one(name: str, context: Context, caller: Caller) -> Response:
    return JSON(_status_of(context, name))


@router.post("/{name}/restart", summary="Stop one integration and start it anew")
async def restart(name: str, context: Context, actor: Acting) -> Response:
    before = _status_of(context, name)
    try:
        await context.manager.restart(name)
    except IntegrationDisabled:
        raise Conflict(f"The integration '{name}' is disabled; enable it in the configuration.") from None
    after = _status_of(context, name)
    states = {"before": {"state": before.state}, "after": {"state": after.state}}
    await context.accounts.audit.record(actor, "integration.restart", f"integration:{name}", **states)
    return JSON(after)


def _status_of(context: ApiContext, name: str) -> IntegrationStatus:
    """Raises NotFound."""
    try:
        return context.manager.status_of(name)
    except UnknownIntegration:
        raise NotFound(
            f"There is no integration '{name[:100]}'. GET /integrations/status lists them.",
            code="integration_not_found",
            param="name",
        ) from None
