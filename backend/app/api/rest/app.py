"""Puts the REST front-end together: hot endpoints, FastAPI routes, error bodies, OpenAPI, the front door."""

from collections.abc import Mapping
from functools import partial

from fastapi import Depends, FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp

from app import __version__
from app.api.context import ApiContext
from app.api.rest import failures, openapi
from app.api.rest.anthropic import count_tokens
from app.api.rest.anthropic import dialect as anthropic
from app.api.rest.anthropic import models as anthropic_models
from app.api.rest.context import admitted
from app.api.rest.front_door import FrontDoor
from app.api.rest.inference import Dialect, InferenceEndpoint
from app.api.rest.openai import models as openai_models
from app.api.rest.openai import responses, responses_stored, tokens
from app.api.rest.openai.dialects import PATHS
from app.api.rest.platform import (
    admin,
    alerts,
    audit,
    budgets,
    health,
    integrations,
    keys,
    metrics,
    model_jobs,
    models,
    requests,
    tiers,
    usage,
)


def create_rest_app(context: ApiContext, mounts: Mapping[str, ASGIApp] | None = None) -> ASGIApp:
    """The ASGI application. `mounts`: other front-ends by their exact path, behind the same door.

    It has no lifespan of its own: app.main starts and stops the platform around it.
    """
    app = FastAPI(
        title="LLM Platform",
        version=__version__,
        docs_url="/docs",
        redoc_url=None,
        dependencies=[Depends(admitted)],
    )
    app.state.api = context
    context.manager.share(FastAPI, app)
    hot: dict[str, ASGIApp] = {path: _endpoint(path, dialect, context) for path, dialect in _dialects().items()}
    hot[responses.PATH] = responses.endpoint(context)
    app.router.routes.extend(
        Route(path, endpoint, methods=["POST"], include_in_schema=False) for path, endpoint in hot.items()
    )
    for room in (
        health,
        anthropic_models,
        count_tokens,
        openai_models,
        responses_stored,
        tokens,
        integrations,
        alerts,
        metrics,
        model_jobs,
        models,
        requests,
        usage,
        admin,
        keys,
        tiers,
        budgets,
        audit,
    ):
        app.include_router(room.router)
    failures.install(app)
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]
    return FrontDoor(hot, app, context.policy, mounts or {})


def _dialects() -> Mapping[str, Dialect]:
    """By path. Clients that come from LiteLLM may leave the version out."""
    without_version = {path.removeprefix("/v1"): dialect for path, dialect in PATHS.items()}
    return {**PATHS, **without_version, anthropic.PATH: anthropic.MESSAGES}


def _endpoint(path: str, dialect: Dialect, context: ApiContext) -> InferenceEndpoint:
    return InferenceEndpoint(
        path,
        dialect,
        context.router.open,
        context.policy,
        partial(context.check_serving, dialect.name),
        partial(context.once.open, context.router.open),
    )
