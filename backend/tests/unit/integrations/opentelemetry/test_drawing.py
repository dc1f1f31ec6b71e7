"""What a call that is over becomes as spans, attribute by attribute, against the conventions' own names."""

from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv._incubating.attributes import (
    error_attributes,
    gen_ai_attributes,
    http_attributes,
    network_attributes,
    rpc_attributes,
    url_attributes,
)
from opentelemetry.trace import SpanKind, StatusCode

from app.domain.calls import EndedCall, Tried
from app.domain.chat import (
    ChatRequest,
    CompletionRequest,
    ImagePart,
    Message,
    ResponseFormat,
    Sampling,
    TextPart,
    ToolCall,
    ToolResult,
)
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import BudgetExceeded, PayloadTooLarge, RateLimited, UpstreamAuthFailed
from app.domain.tracing import Told, Trace
from app.domain.usage import Usage
from app.integrations.monitoring.opentelemetry.spans import Scene, spans_of

TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1, "", "00000000000000aa")
KINDS = {"cloud": "azure_openai", "local": "vllm"}
MESSAGE = Message(role="user", content=(TextPart(text="What is a pod?"),))
CHAT = ChatRequest(model="m", messages=(MESSAGE,))
USAGE = Usage(input_tokens=10, output_tokens=7)

KNOWN = {
    value
    for module in (
        error_attributes,
        gen_ai_attributes,
        http_attributes,
        network_attributes,
        rpc_attributes,
        url_attributes,
    )
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str)
}
"""Every attribute that the conventions have, of the kinds that are used here."""


def call(*tried: Tried, **fields: Any) -> EndedCall:
    last = tried[-1] if tried else None
    return EndedCall(
        **{
            "id": "req-1",
            "principal": "local",
            "front_end": "openai_api",
            "operation": "chat",
            "model": "m",
            "integration": last and last.integration,
            "target_model": last and last.model,
            "attempts": len(tried),
            "outcome": "ok",
            "seconds": 2.0,
            "first_event_seconds": 0.5,
            "usage": USAGE,
            "tried": tried,
            **fields,
        }
    )


def drawn(ended: EndedCall, told: Told, content: int = 0) -> list[ReadableSpan]:
    scene = Scene(Resource({}), InstrumentationScope("test"), lambda name: KINDS[name], content)
    return spans_of(ended, TRACE, told, scene)


def told(asked: object = CHAT, **fields: Any) -> Told:
    return Told(lambda: asked, "POST /v1/chat/completions", **fields)


GOOD = Tried("m", "cloud", "gpt", 0.25, at=0.25, span="00000000000000bb")

REQUESTS: list[tuple[object, dict[str, Any]]] = [
    (CHAT, {}),
    (
        ChatRequest(
            model="m",
            messages=(MESSAGE,),
            sampling=Sampling(
                temperature=0.5,
                top_p=0.9,
                top_k=40,
                seed=7,
                stop=("a", "b"),
                max_output_tokens=64,
                presence_penalty=0.1,
                frequency_penalty=0.2,
                n=2,
            ),
            response_format=ResponseFormat(kind="json_schema"),
        ),
        {
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.top_p": 0.9,
            "gen_ai.request.top_k": 40.0,
            "gen_ai.request.seed": 7,
            "gen_ai.request.stop_sequences": ("a", "b"),
            "gen_ai.request.max_tokens": 64,
            "gen_ai.request.presence_penalty": 0.1,
            "gen_ai.request.frequency_penalty": 0.2,
            "gen_ai.request.choice.count": 2,
            "gen_ai.output.type": "json",
        },
    ),
    (
        CompletionRequest(model="m", prompts=("a",), sampling=Sampling(temperature=0.0)),
        {"gen_ai.request.temperature": 0.0},
    ),
    (
        EmbeddingRequest(model="m", inputs=("a",), dimensions=64, encoding="base64"),
        {"gen_ai.embeddings.dimension.count": 64, "gen_ai.request.encoding_formats": ("base64",)},
    ),
    (None, {}),
]


@pytest.mark.parametrize(("asked", "wanted"), REQUESTS)
def test_what_was_asked(asked: object, wanted: dict[str, Any]) -> None:
    _, client = drawn(call(GOOD), told(asked))
    common = {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"}
    found = client.attributes or {}
    set_by_caller = {
        name: value
        for name, value in found.items()
        if name.startswith(("gen_ai.request", "gen_ai.output", "gen_ai.embeddings")) and name not in common
    }
    assert set_by_caller == wanted


ANSWERS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 7}),
    (
        {
            "usage": Usage(
                input_tokens=10, cached_tokens=4, cache_write_tokens=2, reasoning_tokens=1, output_tokens=3
            )
        },
        {},
        {
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 3,
            "gen_ai.usage.cache_read.input_tokens": 4,
            "gen_ai.usage.cache_creation.input_tokens": 2,
            "gen_ai.usage.reasoning.output_tokens": 1,
        },
    ),
    ({"usage": Usage(estimated=True)}, {}, {"llm_platform.usage.estimated": True}),
    (
        {"stream": True},
        {"id": "c-1", "model": "gpt-9", "reasons": ["stop"]},
        {
            "gen_ai.request.stream": True,
            "gen_ai.response.id": "c-1",
            "gen_ai.response.model": "gpt-9",
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.response.time_to_first_chunk": 0.25,
        },
    ),
    ({"outcome": "data_loss"}, {}, {"error.type": "data_loss"}),
    ({"outcome": "cancelled"}, {}, {"error.type": "cancelled"}),
]


@pytest.mark.parametrize(("fields", "seen", "wanted"), ANSWERS)
def test_what_was_answered(fields: dict[str, Any], seen: dict[str, Any], wanted: dict[str, Any]) -> None:
    _, client = drawn(call(GOOD, **fields), told(**seen))
    found = client.attributes or {}
    assert {name: found.get(name) for name in wanted} == wanted
    assert found["gen_ai.provider.name"] == "azure.ai.openai"
    assert client.name == "chat gpt"


ENTRANCES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], bool]] = [
    ("POST /v1/chat/completions", {}, {}, {"http.response.status_code": 200}, False),
    (
        "POST /v1/chat/completions",
        {"outcome": "resource_exhausted"},
        {"error": RateLimited("")},
        {"http.response.status_code": 429},
        False,
    ),
    (
        "POST /v1/messages",
        {"outcome": "resource_exhausted", "front_end": "anthropic_api"},
        {"error": BudgetExceeded("")},
        {"http.response.status_code": 400},
        False,
    ),
    (
        "POST /v1/messages",
        {"outcome": "invalid_argument", "front_end": "anthropic_api"},
        {"error": PayloadTooLarge("")},
        {"http.response.status_code": 413},
        False,
    ),
    (
        "POST /v1/chat/completions",
        {"outcome": "unavailable"},
        {"error": UpstreamAuthFailed("")},
        {"http.response.status_code": 502, "error.type": "unavailable"},
        True,
    ),
    (
        "POST /v1/chat/completions",
        {"outcome": "data_loss", "stream": True},
        {"answered": True},
        {"http.response.status_code": 200, "error.type": "data_loss"},
        True,
    ),
    ("POST /v1/chat/completions", {"outcome": "cancelled"}, {}, {}, False),
    (
        "POST /graphql",
        {"outcome": "not_found", "front_end": "graphql"},
        {},
        {"http.response.status_code": 200},
        False,
    ),
    ("WebSocket /ws/chat", {}, {}, {"http.route": "/ws/chat", "network.protocol.name": "websocket"}, False),
    (
        "llm_platform.v1.Inference/Chat",
        {"outcome": "internal"},
        {},
        {"rpc.system.name": "grpc", "rpc.response.status_code": "INTERNAL", "error.type": "internal"},
        True,
    ),
]


@pytest.mark.parametrize(("route", "fields", "seen", "wanted", "failed"), ENTRANCES)
def test_how_it_came_in(
    route: str, fields: dict[str, Any], seen: dict[str, Any], wanted: dict[str, Any], failed: bool
) -> None:
    (server, *_) = drawn(call(GOOD, **fields), Told(lambda: None, route, **seen))
    found = server.attributes or {}
    assert {name: found.get(name) for name in wanted} == wanted
    assert (server.status.status_code is StatusCode.ERROR) is failed
    if fields.get("outcome") == "cancelled":
        assert "http.response.status_code" not in found


def test_every_name_is_the_conventions_or_our_own() -> None:
    asked = REQUESTS[1][0]
    names = {
        name
        for route in {entrance[0] for entrance in ENTRANCES}
        for span in drawn(
            call(GOOD, stream=True, team="t", tier="free", cost=0.1, cached="hit"),
            Told(lambda: asked, route, id="c", model="gpt", reasons=["stop"], text="A pod."),
            content=100,
        )
        for name in span.attributes or {}
    }
    assert {name for name in names if not name.startswith("llm_platform.")} <= KNOWN


def test_times_and_kin() -> None:
    """A wait in line, a target that failed, one that lost a race, and the one that answered."""
    failed = Tried("m", "cloud", "gpt", 0.5, failure="unavailable", message="sk-secret", at=0.25, waited=0.125)
    lost = Tried("m", "local", "qwen", 0.25, at=0.75, hedge=True, lost=True)
    ended = call(failed, lost, GOOD)
    server, wait, first, second, third = drawn(ended, told())
    assert server.start_time is not None
    times = [
        ((span.start_time or 0) - server.start_time, (span.end_time or 0) - server.start_time)
        for span in (server, wait, first, second, third)
    ]
    assert [(began / 1e9, ended / 1e9) for began, ended in times] == [
        (0.0, 2.0),
        (0.125, 0.25),
        (0.25, 0.75),
        (0.75, 1.0),
        (0.25, 2.0),
    ]
    assert [span.kind for span in (server, wait, first)] == [SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CLIENT]
    assert all(span.parent is server.context for span in (wait, first, second, third))
    assert server.parent is not None
    assert server.parent.is_remote
    assert third.context is not None
    assert third.context.span_id == 0xBB
    assert (first.attributes or {})["error.type"] == "unavailable"
    assert (second.attributes or {})["llm_platform.lost"] is True
    assert "sk-secret" not in "".join(span.to_json() for span in (server, wait, first, second, third))


SAID = ChatRequest(
    model="m",
    messages=(
        Message(role="system", content=(TextPart(text="Be brief."),)),
        Message(role="user", content=(TextPart(text="What is it?"), ImagePart(url="https://x/a.png"))),
        Message(role="assistant", content=(ToolCall(id="1", name="look", arguments="{}"),)),
        Message(role="tool", content=(ToolResult(call_id="1", content=(TextPart(text="a pod"),)),)),
    ),
)


def test_content_where_it_is_wanted() -> None:
    _, client = drawn(call(GOOD), told(SAID, text="A pod.", reasons=["stop"]), content=1000)
    found = client.attributes or {}
    assert found["gen_ai.input.messages"] == (
        '[{"role":"system","parts":[{"type":"text","content":"Be brief."}]},'
        '{"role":"user","parts":[{"type":"text","content":"What is it?"},'
        '{"type":"uri","modality":"image","uri":"https://x/a.png"}]},'
        '{"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"look","arguments":"{}"}]},'
        '{"role":"tool","parts":[{"type":"tool_call_response","id":"1","response":"a pod"}]}]'
    )
    assert found["gen_ai.output.messages"] == (
        '[{"role":"assistant","parts":[{"type":"text","content":"A pod."}],"finish_reason":"stop"}]'
    )


def test_content_is_bounded() -> None:
    long = ChatRequest(model="m", messages=(Message(role="user", content=(TextPart(text="x" * 10_000),)),) * 3)
    _, client = drawn(call(GOOD), told(long), content=100)
    assert len(str((client.attributes or {})["gen_ai.input.messages"])) < 500


def test_no_content_unless_it_is_wanted() -> None:
    _, client = drawn(call(GOOD), told(SAID, text="A pod."))
    assert not {"gen_ai.input.messages", "gen_ai.output.messages"} & set(client.attributes or {})
