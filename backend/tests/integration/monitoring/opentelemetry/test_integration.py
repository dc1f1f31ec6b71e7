"""The integration by itself: its contract, its health, its figures, and what libraries trace."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.integration_framework import (
    HealthStatus,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationContext,
)
from app.domain.calls import EndedCall
from app.domain.observing import Observable
from app.domain.tracing import Told
from app.domain.usage import Usage
from app.integrations.monitoring.opentelemetry import OpenTelemetryIntegration
from app.integrations.monitoring.opentelemetry import integration as integration_module
from app.testing.contract import IntegrationContract
from tests.servers.asking import becomes
from tests.servers.front_ends import FRONT_ENDS
from tests.servers.otlp_receiver import OtlpReceiver, otlp_receiver
from tests.servers.otlp_receiver import Told as Span
from tests.servers.raw_client import get
from tests.servers.serving import serving
from tests.servers.whole_platform import whole_platform


class TestOpenTelemetryIntegration(IntegrationContract):
    integration = OpenTelemetryIntegration
    settings: ClassVar[Any] = {"endpoint": "http://127.0.0.1:9", "timeout": 0.2}
    bad_settings: ClassVar[Any] = [
        {"endpoint": "collector:4317"},
        {"endpoint": "http://key@collector"},
        {"protocol": "http/json"},
        {"sample_ratio": 1.5},
        {"instrument": ["everything"]},
        {"headers": {"authorization": 7}},
        {"unknown": True},
    ]


@pytest.fixture
async def receiver() -> AsyncIterator[OtlpReceiver]:
    async with otlp_receiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


class KnowsGpt:
    def knows_target(self, integration: str, model: str) -> bool:
        return model == "gpt"

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


async def started(
    receiver: OtlpReceiver, resources: dict[type, object] | None = None, **settings: Any
) -> OpenTelemetryIntegration:
    config = IntegrationConfig(name="otel", settings={"endpoint": receiver.http, "timeout": 1, **settings})
    integration = OpenTelemetryIntegration(config)
    integration.context = IntegrationContext(resources={Observable: KnowsGpt(), **(resources or {})})
    await integration.initialize()
    return integration


@pytest.mark.parametrize(
    ("status", "word"), [(401, "takes no spans (status 401)"), (500, "(status 500)"), (200, None)]
)
async def test_health_tells_what_the_collector_says(receiver: OtlpReceiver, status: int, word: str | None) -> None:
    receiver.status = status
    integration = await started(receiver, metrics=False)
    try:
        with integration.create_span("a"):
            pass

        async def checked() -> bool:
            details = (await integration.health_check()).details
            return bool(details["delivered"] + details["lost"])

        await becomes(checked, 5.0)
        report = await integration.health_check()
        assert report.status is (HealthStatus.DEGRADED if word else HealthStatus.HEALTHY)
        assert (word or "") in report.message
    finally:
        await integration.shutdown()


async def test_a_key_of_the_collector_is_sent_and_shown_nowhere(receiver: OtlpReceiver) -> None:
    integration = await started(receiver, headers={"Authorization": "Bearer canary"}, metrics=False)
    with integration.create_span("a"):
        pass
    await integration.shutdown()
    assert receiver.headers[0]["authorization"] == "Bearer canary"
    assert "canary" not in repr(integration.settings)


async def test_without_traces_what_callers_send_goes_on_as_it_came(receiver: OtlpReceiver, tmp_path: Path) -> None:
    settings = {"endpoint": receiver.http, "traces": False}
    async with whole_platform(tmp_path, key=None, integrations={"opentelemetry": {"settings": settings}}) as whole:
        await whole.serves("opentelemetry")
        parent = f"00-{'a' * 32}-{'b' * 16}-01"
        for headers in ({"traceparent": parent}, {}):
            await FRONT_ENDS["REST, OpenAI"](whole, "echo", headers)
            assert whole.peer.headers[-1].get("traceparent") == headers.get("traceparent")
    assert receiver.spans == []
    assert receiver.metrics["gen_ai.server.request.duration"][0][1] == 2


async def test_a_reload_leaves_libraries_traced_once(receiver: OtlpReceiver, tmp_path: Path) -> None:
    settings = {"endpoint": receiver.http, "instrument": ["fastapi"], "metrics": False}
    async with whole_platform(tmp_path, key=None, integrations={"opentelemetry": {"settings": settings}}) as whole:
        await whole.serves("opentelemetry")
        file = tmp_path / "whole.yaml"
        file.write_text(file.read_text().replace('"metrics": false', '"metrics": false, "queue_size": 100'))
        await whole.platform.reload()
        await whole.serves("opentelemetry")
        await get(whole.port, "/v1/models", {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
        (span,) = await receiver.of("a" * 32, 1)
    assert span.name == "GET /v1/models"


@pytest.mark.parametrize("name", ["http", "grpc"])
async def test_the_environment_says_where(
    receiver: OtlpReceiver, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", getattr(receiver, name))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc" if name == "grpc" else "http/protobuf")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "gateway")
    integration = OpenTelemetryIntegration(IntegrationConfig(name="otel"))
    await integration.initialize()
    with integration.create_span("a"):
        pass
    await integration.shutdown()
    (span,) = receiver.spans
    assert (span.name, span.resource["service.name"]) == ("a", "gateway")


async def test_switched_off_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    integration = OpenTelemetryIntegration(IntegrationConfig(name="otel"))
    with pytest.raises(IntegrationConfigError, match="OTEL_SDK_DISABLED"):
        await integration.initialize()


def call(**fields: Any) -> EndedCall:
    return EndedCall(
        **{
            "id": "1",
            "principal": "p",
            "front_end": "openai_api",
            "operation": "chat",
            "model": "m",
            "integration": "cloud",
            "target_model": "gpt",
            "attempts": 1,
            "outcome": "ok",
            "seconds": 3.0,
            "first_event_seconds": 1.0,
            "usage": Usage(input_tokens=10, output_tokens=5),
            "stream": True,
            **fields,
        }
    )


async def test_figures(receiver: OtlpReceiver) -> None:
    integration = await started(receiver, traces=False, metrics_interval=3600)
    integration.call_ended(call())
    integration.call_ended(call(outcome="unavailable", usage=None))
    integration.call_ended(call(cached="hit"))
    for made_up in range(1000):
        integration.call_ended(call(target_model=f"made-up-{made_up}", stream=False))
    await integration.shutdown()
    common = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "cloud", "gen_ai.request.model": "gpt"}
    other = {**common, "gen_ai.request.model": "other"}
    failed = {**common, "error.type": "unavailable"}
    made, taken = {"gen_ai.token.type": "output"}, {"gen_ai.token.type": "input"}
    assert receiver.metrics == {
        "gen_ai.client.token.usage": [
            ({**common, **taken}, 1, 10),
            ({**common, **made}, 1, 5),
            ({**other, **taken}, 1000, 10_000),
            ({**other, **made}, 1000, 5000),
        ],
        "gen_ai.server.request.duration": [(common, 1, 3.0), (failed, 1, 3.0), (other, 1000, 3000.0)],
        "gen_ai.server.time_to_first_token": [(common, 1, 1.0)],
        "gen_ai.server.time_per_output_token": [(common, 1, 0.5)],
    }


async def test_what_was_asked_is_not_kept_with_the_record(receiver: OtlpReceiver) -> None:
    """Records are remembered for a while, to be explained."""
    integration = await started(receiver, metrics=False)
    trace = integration.begin(None)
    trace.told = Told(lambda: None)
    integration.call_ended(call(trace=trace))
    await integration.shutdown()
    assert trace.told is None
    assert [span.kind for span in receiver.spans] == ["SERVER"]


async def test_a_start_that_was_cancelled_leaves_nothing_behind(receiver: OtlpReceiver) -> None:
    before = {thread for thread in threading.enumerate() if thread.name.startswith("opentelemetry")}
    integration = OpenTelemetryIntegration(IntegrationConfig(name="otel", settings={"endpoint": receiver.http}))
    starting = asyncio.create_task(integration.initialize())
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait({starting})
    await integration.shutdown()
    assert integration._building is not None
    await asyncio.wait({integration._building})
    left = {thread for thread in threading.enumerate() if thread.name.startswith("opentelemetry")}
    assert left <= before


async def spans_of(integration: OpenTelemetryIntegration, receiver: OtlpReceiver) -> dict[str, Span]:
    await integration.shutdown()
    return {span.name: span for span in receiver.spans}


async def test_sql_within_a_span_is_traced(receiver: OtlpReceiver) -> None:
    """Also by an engine that was there before."""
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.connect() as connection:
        integration = await started(receiver, instrument="sqlalchemy", metrics=False)
        await connection.execute(text("SELECT 'by nobody'"))
        with integration.create_span("outer"):
            await connection.execute(text("SELECT :secret"), {"secret": "canary"})
        spans = await spans_of(integration, receiver)
        await connection.execute(text("SELECT 'after'"))
    await engine.dispose()
    assert spans.keys() == {"outer", "SELECT"}
    assert spans["SELECT"].parent == spans["outer"].id
    assert spans["SELECT"].attributes == {
        "db.system.name": "sqlite",
        "db.operation.name": "SELECT",
        "db.query.text": "SELECT ?",
    }


async def test_fastapi_and_aiohttp_are_traced(receiver: OtlpReceiver) -> None:
    app = FastAPI()

    @app.get("/things/{name}")
    async def thing(name: str) -> str:
        return name

    async with serving(app) as port:
        await get(port, "/things/before")  # it has built its stack already
        integration = await started(
            receiver, {FastAPI: app}, instrument=["fastapi", "aiohttp"], metrics=False, follow_caller=True
        )
        with integration.create_span("outer"):
            async with aiohttp.ClientSession() as session:
                await session.get(f"http://127.0.0.1:{port}/things/a")
        spans = await spans_of(integration, receiver)
        await get(port, "/things/after")
    assert spans.keys() == {"outer", "GET", "GET /things/{name}"}
    assert spans["GET"].parent == spans["outer"].id
    assert spans["GET /things/{name}"].parent == spans["GET"].id


async def test_the_end_is_bounded_whatever_hangs(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integration_module, "FLUSH_SECONDS", 0.2)
    receiver.hold = asyncio.Event()
    integration = await started(receiver, timeout=30)
    with integration.create_span("a"):
        pass

    async def hangs() -> bool:
        return bool(receiver.headers)

    await becomes(hangs, 5.0)
    async with asyncio.timeout(5):
        await integration.shutdown()
