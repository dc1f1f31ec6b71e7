"""What a Collector is to those who tell it things: OTLP over HTTP and over gRPC, and all that came in.

It can be told to refuse, and to answer late or never.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import msgspec
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from tests.servers.asking import becomes


class Told(msgspec.Struct, frozen=True):
    """A span that came in. `trace`, `id`, `parent` in hexadecimal; `kind`: SERVER, CLIENT, INTERNAL."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    failed: bool
    seconds: float
    began: int
    state: str
    text: str


class OtlpReceiver:
    """`status`: of the answers over HTTP. `hold`: waited for before each. `headers`: of each delivery of spans,
    their names in lower case.
    """

    def __init__(self) -> None:
        self.spans: list[Told] = []
        self.metrics: dict[str, list[tuple[Mapping[str, Any], int, float]]] = {}
        self.headers: list[Mapping[str, str]] = []
        self.raw: list[bytes] = []
        self.status = 200
        self.hold: asyncio.Event | None = None
        self.http = ""
        self.grpc = ""

    async def of(self, trace: str, count: int, seconds: float = 10.0) -> list[Told]:
        """The spans of a trace, once there are so many, in the order that they began."""

        async def there() -> bool:
            return sum(span.trace == trace for span in self.spans) >= count

        await becomes(there, seconds)
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.began)

    def take_spans(self, request: Any) -> None:
        self.raw.append(request.SerializeToString())
        for resource in request.resource_spans:
            about = _attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_told(span, about) for span in scope.spans]

    def take_metrics(self, request: Any) -> None:
        self.raw.append(request.SerializeToString())
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self.metrics[metric.name] = [
                        (_attributes(point.attributes), point.count, point.sum)
                        for point in metric.histogram.data_points
                    ]

    async def over_http(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.hold is not None:
            await self.hold.wait()
        if self.status != 200:
            return web.Response(status=self.status)
        if request.path == "/v1/traces":
            self.take_spans(trace_pb.ExportTraceServiceRequest.FromString(body))
        else:
            self.take_metrics(metrics_pb.ExportMetricsServiceRequest.FromString(body))
        return web.Response(body=b"", content_type="application/x-protobuf")


class _Traces(trace_grpc.TraceServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._receiver.headers.append(dict(context.invocation_metadata()))
        self._receiver.take_spans(request)
        return trace_pb.ExportTraceServiceResponse()


class _Metrics(metrics_grpc.MetricsServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._receiver.take_metrics(request)
        return metrics_pb.ExportMetricsServiceResponse()


@asynccontextmanager
async def otlp_receiver() -> AsyncIterator[OtlpReceiver]:
    """Listens on free ports of 127.0.0.1."""
    receiver = OtlpReceiver()
    app = web.Application()
    app.add_routes([web.post(f"/v1/{signal}", receiver.over_http) for signal in ("traces", "metrics")])
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    server = grpc.aio.server()
    trace_grpc.add_TraceServiceServicer_to_server(_Traces(receiver), server)
    metrics_grpc.add_MetricsServiceServicer_to_server(_Metrics(receiver), server)
    port = server.add_insecure_port("127.0.0.1:0")
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await server.start()
        receiver.http = f"http://127.0.0.1:{runner.addresses[0][1]}"
        receiver.grpc = f"http://127.0.0.1:{port}"
        yield receiver
    finally:
        if receiver.hold is not None:
            receiver.hold.set()
        await server.stop(0)
        await runner.cleanup()


def _told(span: ProtoSpan, resource: Mapping[str, Any]) -> Told:
    return Told(
        name=span.name,
        kind=ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=_attributes(span.attributes),
        resource=resource,
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        began=span.start_time_unix_nano,
        state=span.trace_state,
        text=str(span),
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)
