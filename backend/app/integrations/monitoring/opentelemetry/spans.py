"""The spans of a call that is over: the caller's request, each request to a provider below it, and waits in line.

They are made at the end, of what was noted anyway. The SDK's own spans are for what is still under way, and would
cost every call that is not recorded; only the ids had to be there before, since they were sent upstream.
"""

import time
from collections.abc import Callable, Iterator

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from app.domain.calls import EndedCall, Tried
from app.domain.tracing import Told, Trace, new_span
from app.integrations.monitoring.opentelemetry import attributes
from app.integrations.monitoring.opentelemetry.content import content

_ERROR = Status(StatusCode.ERROR)
_UNSET = Status(StatusCode.UNSET)
_NANOS = 1_000_000_000


class Scene(msgspec.Struct, frozen=True):
    """What all spans have in common. `kind_of`: the kind of an integration by its name. `content`: how many
    characters of what was asked and answered are recorded, 0 for none.
    """

    resource: Resource
    scope: InstrumentationScope
    kind_of: Callable[[str], str]
    content: int = 0


def spans_of(call: EndedCall, trace: Trace, told: Told, scene: Scene) -> list[ReadableSpan]:
    """The server's span first."""
    return list(_Drawing(call, trace, told, scene).spans())


class _Drawing:
    def __init__(self, call: EndedCall, trace: Trace, told: Told, scene: Scene) -> None:
        self._call = call
        self._trace = trace
        self._told = told
        self._scene = scene
        self._id = int(trace.id, 16)
        self._state = TraceState.from_header([trace.state]) if trace.state else None
        self._end = time.time_ns()
        self._start = self._end - int(call.seconds * _NANOS)
        self._server = self._context(trace.span)

    def spans(self) -> Iterator[ReadableSpan]:
        call, asked = self._call, self._told.request()
        parent = self._context(self._trace.parent, remote=True) if self._trace.parent else None
        found = attributes.server(call, self._told)
        failed = call.outcome in attributes.SERVER_FAULTS
        name = attributes.server_name(call, self._told)
        yield self._span(name, self._server, parent, SpanKind.SERVER, found, (self._start, self._end), failed)
        common = attributes.request(asked)
        for tried in call.tried:
            if tried.waited:
                yield self._wait(tried)
            yield self._attempt(tried, asked, common)

    def _attempt(self, tried: Tried, asked: object, common: attributes.Attributes) -> ReadableSpan:
        call, scene = self._call, self._scene
        answers = tried is call.tried[-1] and tried.failure is None
        found = attributes.client(call, tried, scene.kind_of(tried.integration), common)
        if answers:
            found |= attributes.answer(call, tried, self._told)
            if scene.content:
                found |= content(asked, self._told, scene.content)
        began = self._at(tried.at)
        return self._span(
            f"{call.operation} {tried.model}",
            self._context(tried.span or new_span()),
            self._server,
            SpanKind.CLIENT,
            found,
            (began, self._end if answers else min(self._end, began + int(tried.seconds * _NANOS))),
            "error.type" in found and found["error.type"] != "cancelled",
        )

    def _wait(self, tried: Tried) -> ReadableSpan:
        times = self._at(tried.at - tried.waited), self._at(tried.at)
        found = {"llm_platform.integration": tried.integration, "llm_platform.model": tried.model}
        context = self._context(new_span())
        return self._span("wait for a place", context, self._server, SpanKind.INTERNAL, found, times, False)

    def _at(self, seconds: float) -> int:
        return self._start + int(seconds * _NANOS)

    def _context(self, span: str, remote: bool = False) -> SpanContext:
        return SpanContext(self._id, int(span, 16), remote, TraceFlags(self._trace.flags), self._state)

    def _span(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        found: attributes.Attributes,
        times: tuple[int, int],
        failed: bool,
    ) -> ReadableSpan:
        return ReadableSpan(
            name,
            context,
            parent,
            self._scene.resource,
            found,
            kind=kind,
            status=_ERROR if failed else _UNSET,
            start_time=times[0],
            end_time=times[1],
            instrumentation_scope=self._scene.scope,
        )
