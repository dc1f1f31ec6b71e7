"""The spans of one request through each front-end, as a receiver of OTLP gets them from the real SDK."""

import os
import secrets
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from app.integrations.monitoring.opentelemetry import OpenTelemetryIntegration
from tests.servers.front_ends import FRONT_ENDS
from tests.servers.otlp_receiver import OtlpReceiver, Told, otlp_receiver
from tests.servers.whole_platform import Whole, whole_platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLER = "b7ad6b7169203331"
MODELS = {
    "sound": "peer/echo",
    "broken": {"targets": ["peer/broken"], "retries": 0},
    "second": {
        "targets": [{"target": "peer/broken", "priority": 1}, {"target": "peer/echo", "priority": 2}],
        "retries": 1,
    },
}


class Traced(msgspec.Struct):
    whole: Whole
    receiver: OtlpReceiver


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    """Spans come over gRPC here; over HTTP in test_options.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        async with otlp_receiver() as receiver:
            settings = {"endpoint": receiver.grpc, "protocol": "grpc", "headers": {"X-Key": "k"}}
            folder = tmp_path_factory.mktemp("traced")
            sections = {"models": MODELS, "routing": {"breaker": {"failures": 0}}}
            integrations = {"opentelemetry": {"settings": settings}}
            async with whole_platform(folder, key=None, integrations=integrations, **sections) as whole:
                await whole.serves("opentelemetry")
                yield Traced(whole, receiver)


def new_trace() -> str:
    return secrets.token_hex(16)


SERVER = {
    "REST, OpenAI": {"http.request.method": "POST", "http.route": "/v1/chat/completions"},
    "REST, OpenAI, stream": {"http.request.method": "POST", "http.route": "/v1/chat/completions"},
    "REST, Anthropic": {"http.request.method": "POST", "http.route": "/v1/messages"},
    "GraphQL": {"http.request.method": "POST", "http.route": "/graphql"},
    "GraphQL, socket": {"http.route": "/graphql", "network.protocol.name": "websocket"},
    "GraphQL, operation on a socket": {"http.route": "/graphql", "network.protocol.name": "websocket"},
    "gRPC": {
        "rpc.system.name": "grpc",
        "rpc.method": "llm_platform.v1.Inference/ChatUnary",
        "rpc.response.status_code": "OK",
    },
    "WebSocket, handshake": {"http.route": "/ws/chat", "network.protocol.name": "websocket"},
    "WebSocket, frame": {"http.route": "/ws/chat", "network.protocol.name": "websocket"},
}
"""What the conventions want on the server's span, by front-end."""

NAMES = {
    "REST, OpenAI": "POST /v1/chat/completions",
    "REST, OpenAI, stream": "POST /v1/chat/completions",
    "REST, Anthropic": "POST /v1/messages",
    "GraphQL": "POST /graphql",
    "GraphQL, socket": "/graphql",
    "GraphQL, operation on a socket": "/graphql",
    "gRPC": "llm_platform.v1.Inference/ChatUnary",
    "WebSocket, handshake": "/ws/chat",
    "WebSocket, frame": "/ws/chat",
}


@pytest.mark.parametrize("front_end", FRONT_ENDS)
async def test_one_request(traced: Traced, front_end: str) -> None:
    """The server's span below the caller's, the client's below the server's, and the upstream told of that one."""
    trace = new_trace()
    sent = {"traceparent": f"00-{trace}-{CALLER}-01", "tracestate": "vendor=1"}
    await FRONT_ENDS[front_end](traced.whole, "sound", sent)
    server, client = await traced.receiver.of(trace, 2)
    assert (server.kind, server.name, server.parent) == ("SERVER", NAMES[front_end], CALLER)
    assert SERVER[front_end].items() <= server.attributes.items()
    assert (client.kind, client.name, client.parent) == ("CLIENT", "chat echo", server.id)
    assert server.state == client.state == "vendor=1"
    assert not server.failed
    assert not client.failed
    told = traced.whole.peer.headers[-1]
    assert told["traceparent"] == f"00-{trace}-{client.id}-01"
    assert told["tracestate"] == "vendor=1"
    assert server.seconds >= client.seconds > 0


REQUIRED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai_compatible",
    "gen_ai.request.model": "echo",
    "gen_ai.response.model": "echo",
    "gen_ai.response.id": "echo-1",
    "gen_ai.response.finish_reasons": ["stop"],
}
"""On every client's span, whatever the front-end."""

SET = {"gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": 64}
"""What the questions over REST set."""


@pytest.mark.parametrize("front_end", FRONT_ENDS)
async def test_the_conventions_for_generative_ai(traced: Traced, front_end: str) -> None:
    trace = new_trace()
    await FRONT_ENDS[front_end](traced.whole, "sound", {"traceparent": f"00-{trace}-{CALLER}-01"})
    server, client = await traced.receiver.of(trace, 2)
    wanted = {**REQUIRED, **(SET if front_end.startswith("REST") else {})}
    assert {name: client.attributes.get(name) for name in wanted} == wanted
    assert "What is a pod?" not in client.text + server.text
    assert server.attributes["llm_platform.outcome"] == "ok"


async def test_what_is_common_to_all(traced: Traced) -> None:
    trace = new_trace()
    await FRONT_ENDS["REST, OpenAI"](traced.whole, "sound", {"traceparent": f"00-{trace}-{CALLER}-01"})
    (server, _) = await traced.receiver.of(trace, 2)
    about = server.resource
    assert about["service.name"] == os.environ.get("OTEL_SERVICE_NAME", "llm-platform")
    assert about["deployment.environment.name"] == "test"
    assert about["service.instance.id"]
    assert all(headers["x-key"] == "k" for headers in traced.receiver.headers)
    assert traced.receiver.headers


async def test_a_fallback_is_a_span_of_its_own(traced: Traced) -> None:
    trace = new_trace()
    await FRONT_ENDS["REST, OpenAI"](traced.whole, "second", {"traceparent": f"00-{trace}-{CALLER}-01"})
    server, *attempts = await traced.receiver.of(trace, 3)
    assert {attempt.parent for attempt in attempts} == {server.id}
    failed = [attempt for attempt in attempts if attempt.failed]
    good = [attempt for attempt in attempts if not attempt.failed]
    assert [attempt.attributes["error.type"] for attempt in failed] == ["unavailable"]
    assert [attempt.name for attempt in failed + good] == ["chat broken", "chat echo"]
    assert server.attributes["llm_platform.attempts"] == len(attempts)


REFUSED: dict[str, tuple[str, str, dict[str, object]]] = {
    "unknown model, OpenAI": ("REST, OpenAI", "nobody", {"http.response.status_code": 404}),
    "unknown model, Anthropic": ("REST, Anthropic", "nobody", {"http.response.status_code": 404}),
    "unknown model, gRPC": ("gRPC", "nobody", {"rpc.response.status_code": "NOT_FOUND"}),
    "upstream fails, OpenAI": ("REST, OpenAI", "broken", {"http.response.status_code": 503}),
    "upstream fails, Anthropic": ("REST, Anthropic", "broken", {"http.response.status_code": 529}),
    "upstream fails, gRPC": ("gRPC", "broken", {"rpc.response.status_code": "UNAVAILABLE"}),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_failed(traced: Traced, case: str) -> None:
    """A caller's own mistake is no failure of the server."""
    front_end, model, wanted = REFUSED[case]
    trace = new_trace()
    await FRONT_ENDS[front_end](traced.whole, model, {"traceparent": f"00-{trace}-{CALLER}-01"})
    server = (await traced.receiver.of(trace, 1 if model == "nobody" else 2))[0]
    assert wanted.items() <= server.attributes.items()
    assert server.failed is (model != "nobody")
    assert ("error.type" in server.attributes) is server.failed


async def test_what_the_caller_does_not_record_is_not_recorded(traced: Traced) -> None:
    quiet, loud = new_trace(), new_trace()
    await FRONT_ENDS["REST, OpenAI"](traced.whole, "sound", {"traceparent": f"00-{quiet}-{CALLER}-00"})
    assert traced.whole.peer.headers[-1]["traceparent"] == f"00-{quiet}-{CALLER}-00"
    await FRONT_ENDS["REST, OpenAI"](traced.whole, "sound", {"traceparent": f"00-{loud}-{CALLER}-01"})
    await traced.receiver.of(loud, 2)
    assert not [span for span in traced.receiver.spans if span.trace == quiet]


async def test_a_trace_begins_here(traced: Traced) -> None:
    await FRONT_ENDS["REST, OpenAI"](traced.whole, "sound", {})
    version, trace, span, flags = traced.whole.peer.headers[-1]["traceparent"].split("-")
    server, client = await traced.receiver.of(trace, 2)
    assert (version, span, flags) == ("00", client.id, "01")
    assert server.parent == ""


_SEEN: list[str] = []


def _fail_within(integration: OpenTelemetryIntegration) -> None:
    with integration.create_span("outer", {"a": 1}) as outer:
        _SEEN.append(f"{outer.get_span_context().trace_id:032x}")
        with integration.create_span("inner"):
            pass
        raise KeyError("sk-canary-0123456789abcdef")


def by_name(spans: list[Told]) -> dict[str, Told]:
    return {span.name: span for span in spans}


async def test_a_span_of_ones_own(traced: Traced) -> None:
    integration = traced.whole.platform.manager.get_integration("opentelemetry")
    before = len(traced.receiver.spans)
    assert isinstance(integration, OpenTelemetryIntegration)
    with pytest.raises(KeyError):
        _fail_within(integration)
    trace = _SEEN.pop()
    spans = by_name(await traced.receiver.of(trace, 2))
    assert spans["inner"].parent == spans["outer"].id
    assert spans["outer"].attributes == {"a": 1, "error.type": "KeyError"}
    assert spans["outer"].failed
    assert "canary" not in "".join(span.text for span in traced.receiver.spans[before:])
