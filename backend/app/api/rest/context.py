"""What the REST endpoints share: the parts they call, and the dependencies that guard a route."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

import msgspec
from fastapi import Depends, Request

from app.api.identity import credential
from app.api.rest.policy import RestPolicy
from app.core.integration_framework import IntegrationManager
from app.domain.errors import PermissionDenied
from app.domain.principal import Principal
from app.inference.router import Router

Reload = Callable[[], Awaitable[Mapping[str, object]]]


class RestContext(msgspec.Struct, frozen=True, kw_only=True):
    """`policy` gives the current snapshot; `ready` whether requests should be sent here; `reload` applies the
    configuration anew and tells what changed, raising InvalidRequest when it is refused.
    """

    router: Router
    manager: IntegrationManager
    policy: Callable[[], RestPolicy]
    ready: Callable[[], bool]
    reload: Reload


def rest_context(request: Request) -> RestContext:
    context: RestContext = request.app.state.rest
    return context


Context = Annotated[RestContext, Depends(rest_context)]


def authenticated(request: Request, context: Context) -> Principal:
    """Every route but the probes depends on this. Raises Unauthenticated."""
    headers = request.headers
    key = credential(headers.get("authorization"), headers.get("x-api-key"))
    return context.policy().authenticator.authenticate(key)


Caller = Annotated[Principal, Depends(authenticated)]


def administrator(caller: Caller) -> Principal:
    """Raises PermissionDenied."""
    if "admin" not in caller.roles:
        raise PermissionDenied("This needs the role 'admin'.")
    return caller


Administrator = Annotated[Principal, Depends(administrator)]
