"""The FastAPI dependencies that hand a route its context and guard it."""

from typing import Annotated

from fastapi import Depends, Request

from app.accounts.audit.schemas import Actor
from app.api.access import check_access, is_public
from app.api.asgi import headers_of, identify, request_id
from app.api.context import ApiContext
from app.domain.principal import ANONYMOUS, Principal


def api_context(request: Request) -> ApiContext:
    context: ApiContext = request.app.state.api
    return context


Context = Annotated[ApiContext, Depends(api_context)]


async def admitted(request: Request, context: Context) -> Principal:
    """Every route depends on this, by way of the application. Raises Unauthenticated, PermissionDenied."""
    route = f"{request.method} {request.scope['route'].path}"
    if is_public(route):
        return ANONYMOUS
    principal = await identify(headers_of(request.scope), context.policy())
    check_access(principal, route)
    return principal


Caller = Annotated[Principal, Depends(admitted)]


async def acting(request: Request, caller: Caller) -> Actor:
    """For the audit log."""
    return Actor(principal=caller, request_id=request_id(headers_of(request.scope)), front_end="rest")


Acting = Annotated[Actor, Depends(acting)]
