"""Spans that libraries make by themselves: of the admin routes, of aiohttp's clients, of SQL. Each only if wanted.

The path of a request to a model is none of theirs: it has spans of its own, and no library in it.
"""

import logging
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from app.core.integration_framework import IntegrationConfigError, IntegrationContext, MissingResource
from app.integrations.monitoring.opentelemetry.settings import Instrumented as Name
from app.integrations.monitoring.opentelemetry.sql import trace_sql

Undo = Callable[[], object]

logger = logging.getLogger(__name__)


class Instrumented:
    """Raises IntegrationConfigError where a package is missing."""

    def __init__(self, names: Sequence[Name], provider: TracerProvider, context: IntegrationContext) -> None:
        self._undo: list[Undo] = []
        try:
            for name in names:
                self._undo.append(_BY_NAME[name](provider, context))
        except ImportError as error:
            self.undo()
            raise IntegrationConfigError(
                f"settings.instrument: {error.name} is missing; install llm-platform[instrumentation]"
            ) from None

    def undo(self) -> None:
        for undo in self._undo:
            undo()


def _fastapi(provider: TracerProvider, context: IntegrationContext) -> Undo:
    instrumentor = import_module("opentelemetry.instrumentation.fastapi").FastAPIInstrumentor
    from fastapi import FastAPI

    try:
        app = context.resource(FastAPI)
    except MissingResource:
        return lambda: None
    instrumentor.instrument_app(app, tracer_provider=provider, exclude_spans=["receive", "send"])
    app.middleware_stack = app.build_middleware_stack()  # it may have served already
    return lambda: instrumentor.uninstrument_app(app)


def _aiohttp(provider: TracerProvider, context: IntegrationContext) -> Undo:
    """Of sessions that are opened from now on."""
    instrumentor: Any = import_module("opentelemetry.instrumentation.aiohttp_client").AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    undo: Undo = instrumentor.uninstrument
    return undo


def _sqlalchemy(provider: TracerProvider, context: IntegrationContext) -> Undo:
    return trace_sql(provider.get_tracer(__name__))


_BY_NAME: dict[Name, Callable[[TracerProvider, IntegrationContext], Undo]] = {
    "fastapi": _fastapi,
    "aiohttp": _aiohttp,
    "sqlalchemy": _sqlalchemy,
}
