"""The FastAPI dependencies that hand a route its context and guard it."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.asgi import headers_of, identify
from app.api.context import ApiContext
from app.api.identity import check_administrator
from app.domain.principal import Principal


def api_context(request: Request) -> ApiContext:
    context: ApiContext = request.app.state.api
    return context


Context = Annotated[ApiContext, Depends(api_context)]


def authenticated(request: Request, context: Context) -> Principal:
    """Every route but the probes depends on this. Raises Unauthenticated."""
    return identify(headers_of(request.scope), context.policy())


Caller = Annotated[Principal, Depends(authenticated)]


def administrator(caller: Caller) -> Principal:
    """Raises PermissionDenied."""
    check_administrator(caller)
    return caller


Administrator = Annotated[Principal, Depends(administrator)]
