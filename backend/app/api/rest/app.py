"""Puts the REST front-end together: hot endpoints, FastAPI routes, error bodies, OpenAPI, the front door."""

from functools import partial

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp

from app import __version__
from app.api.context import ApiContext
from app.api.rest import failures, openapi
from app.api.rest.front_door import FrontDoor
from app.api.rest.inference import Dialect, InferenceEndpoint
from app.api.rest.openai import models as openai_models
from app.api.rest.openai.dialects import PATHS
from app.api.rest.platform import admin, health, integrations, models


def create_rest_app(context: ApiContext) -> ASGIApp:
    """The ASGI application. It has no lifespan of its own: app.main starts and stops the platform around it."""
    app = FastAPI(title="LLM Platform", version=__version__, docs_url="/docs", redoc_url=None)
    app.state.api = context
    hot: dict[str, ASGIApp] = {path: _endpoint(dialect, context) for path, dialect in PATHS.items()}
    app.router.routes.extend(
        Route(path, endpoint, methods=["POST"], include_in_schema=False) for path, endpoint in hot.items()
    )
    for router in (health.router, openai_models.router, integrations.router, models.router, admin.router):
        app.include_router(router)
    failures.install(app)
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]
    return FrontDoor(hot, app, context.policy)


def _endpoint(dialect: Dialect, context: ApiContext) -> InferenceEndpoint:
    return InferenceEndpoint(
        dialect, context.router.open, context.policy, partial(context.check_serving, dialect.name)
    )
