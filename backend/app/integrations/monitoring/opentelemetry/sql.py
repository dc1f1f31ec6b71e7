"""A span for each statement that SQLAlchemy runs within something that is traced.

OpenTelemetry's own package for this listens to engines that are opened after it; integrations start side by side,
and the database's may be there already. The statement is told as it was prepared, its parameters are not.
"""

from collections.abc import Callable
from typing import Any

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, get_current_span
from sqlalchemy import event
from sqlalchemy.engine import Engine

_SYSTEMS = {"postgresql": "postgresql", "sqlite": "sqlite"}
_LONGEST = 2048


def trace_sql(tracer: Tracer) -> Callable[[], None]:
    """Returns what ends it."""
    listening = _Listening(tracer)
    listeners: tuple[tuple[str, Callable[..., None]], ...] = (
        ("before_cursor_execute", listening.before),
        ("after_cursor_execute", listening.after),
        ("handle_error", listening.failed),
    )
    for name, listener in listeners:
        event.listen(Engine, name, listener)

    def undo() -> None:
        for name, listener in listeners:
            event.remove(Engine, name, listener)

    return undo


class _Listening:
    """The arguments are SQLAlchemy's. A span waits in the statement's own context."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def before(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if context is None or not get_current_span().get_span_context().trace_flags.sampled:
            return
        operation = (statement.split(None, 1) or ["SQL"])[0].upper()
        context.span = self._tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": _SYSTEMS.get(connection.dialect.name, "other_sql"),
                "db.operation.name": operation,
                "db.query.text": statement[:_LONGEST],
            },
        )

    def after(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if (span := getattr(context, "span", None)) is not None:
            span.end()

    def failed(self, told: Any) -> None:
        if (span := getattr(told.execution_context, "span", None)) is not None:
            span.set_attribute("error.type", type(told.original_exception).__name__)
            span.set_status(Status(StatusCode.ERROR))
            span.end()
