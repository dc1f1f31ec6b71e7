"""The integration's life, what it discovers, and what it does to the server's models."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest

from app.core.integration_framework import (
    HealthStatus,
    IntegrationAuthFailed,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationContext,
    IntegrationNotReady,
)
from app.core.integration_framework.events import EventPublisher
from app.domain.errors import (
    InvalidRequest,
    ModelNotFound,
    ProviderProtocolError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamUnavailable,
)
from app.domain.models import ModelLoadFailed, ModelsChanged, PullProgress
from app.domain.ports import ChatProvider, CompletionProvider, EmbeddingProvider, ModelLoader, ModelStore
from app.integrations.model_platforms.ollama.integration import OllamaIntegration
from app.testing.contract import IntegrationContract
from tests.integration.ollama.asking import chat
from tests.integration.ollama.conftest import Start
from tests.servers.ollama_fake import Fault, OllamaFake
from tests.servers.ollama_models import FakeModel


class TestContract(IntegrationContract):
    integration = OllamaIntegration
    bad_settings = ({"base_url": "nowhere"}, {"timeout": "soon"}, {"unknown": 1})
    unready_settings: Mapping[str, Any] = {"base_url": "http://127.0.0.1:1"}

    @pytest.fixture(autouse=True)
    def _served(self, fake: OllamaFake) -> None:
        self.settings = {"base_url": fake.base_url}


@pytest.mark.parametrize("port", [ChatProvider, CompletionProvider, EmbeddingProvider, ModelStore, ModelLoader])
def test_ports(port: type) -> None:
    ollama = OllamaIntegration(IntegrationConfig(name="ollama"))
    assert isinstance(ollama, port)
    assert ollama.accepts_unlisted is False
    assert ollama.models() == ()


async def test_discovery(ollama: OllamaIntegration) -> None:
    models = {model.id: model for model in ollama.models()}
    assert list(models) == ["demo:latest", "thinker:8b", "vectors:latest"]
    assert models["demo:latest"].capabilities == {"chat", "completion", "json_schema", "tools"}
    assert "reasoning" in models["thinker:8b"].capabilities
    assert models["vectors:latest"].capabilities == {"embedding"}
    assert (models["vectors:latest"].context_window, models["vectors:latest"].family) == (512, "bert")
    assert models["demo:latest"].provider == "ollama"
    assert models["demo:latest"].quantization == "Q8_0"


async def test_a_change_is_published_once_and_only_a_change(start: Start, fake: OllamaFake) -> None:
    ollama = await start(model_refresh_interval=0)
    heard: list[ModelsChanged] = []
    events = EventPublisher()
    events.subscribe(ModelsChanged, heard.append)
    ollama.context = IntegrationContext(events=events)
    report = await ollama.health_check()
    assert report.details == {"version": "0.33.0", "models": 3, "loaded": 0}
    assert heard == []
    shown = len(fake.asked("/api/show"))
    fake.models["other:1b"] = FakeModel("other:1b")
    await ollama.health_check()
    assert heard == [ModelsChanged("ollama")]
    assert "other:1b" in [model.id for model in ollama.models()]
    assert len(fake.asked("/api/show")) == shown + 1
    await ollama.load("other:1b")
    assert [model.id for model in ollama.models() if model.loaded] == ["other:1b"]
    assert len(heard) == 2


async def test_a_look_at_the_models_is_not_taken_more_often_than_set(start: Start, fake: OllamaFake) -> None:
    ollama = await start(model_refresh_interval=3600)
    fake.models["other:1b"] = FakeModel("other:1b")
    report = await ollama.health_check()
    assert report.details["models"] == 3


async def test_a_model_pulled_by_someone_else_is_found_when_asked_for(
    ollama: OllamaIntegration, fake: OllamaFake
) -> None:
    fake.models["other:latest"] = FakeModel("other:latest")
    assert str(await ollama.generate("other", "Hello"))


async def test_a_model_that_cannot_be_shown_is_listed_all_the_same(start: Start, fake: OllamaFake) -> None:
    fake.models["odd:1b"] = FakeModel("odd:1b", shown=False)
    ollama = await start()
    assert [model.context_window for model in ollama.models() if model.id == "odd:1b"] == [8192]


async def test_pull(ollama: OllamaIntegration, fake: OllamaFake) -> None:
    async with aclosing(ollama.pull("new")) as progress:
        steps = [step async for step in progress]
    assert steps[0] == PullProgress(model="new", status="pulling manifest")
    assert steps[-1] == PullProgress(model="new", status="success", completed_bytes=1487, total_bytes=1487)
    assert "new:latest" in [model.id for model in ollama.models()]


async def test_closing_a_pull_stops_the_download(ollama: OllamaIntegration, fake: OllamaFake) -> None:
    fake.pull_hold = asyncio.Event()
    async with aclosing(ollama.pull("new")) as progress:
        await anext(progress)
    async with asyncio.timeout(2):
        assert await fake.left.get() == "/api/pull"
    assert "new:latest" not in fake.models


async def test_pull_model_then_delete(ollama: OllamaIntegration, fake: OllamaFake) -> None:
    assert (await ollama.pull_model("new")).status == "success"
    await ollama.delete("new")
    assert "new:latest" not in [model.id for model in ollama.models()]
    with pytest.raises(ModelNotFound):
        await ollama.delete("new")


async def test_a_load_that_the_server_refuses_is_told(ollama: OllamaIntegration, fake: OllamaFake) -> None:
    told: list[ModelLoadFailed] = []
    events = EventPublisher()
    events.subscribe(ModelLoadFailed, told.append)
    ollama.context = IntegrationContext(events=events)
    fake.faults["/api/generate"] = Fault(status=500)
    with pytest.raises(UpstreamError):
        await ollama.load("demo")
    assert [(event.integration, event.model) for event in told] == [("ollama", "demo")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("nowhere", ModelNotFound), ("../../etc/passwd", InvalidRequest), ("a b", InvalidRequest)],
)
async def test_a_pull_that_cannot_be(ollama: OllamaIntegration, name: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await ollama.pull_model(name)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(after=3, how="end"), ProviderProtocolError),
        (Fault(after=3, how="garbage"), ProviderProtocolError),
        (Fault(after=3, text="dial tcp: lookup registry.ollama.ai: no such host"), UpstreamError),
        (Fault(status=500, text="max retries exceeded"), UpstreamError),
    ],
)
async def test_a_pull_that_breaks(
    ollama: OllamaIntegration, fake: OllamaFake, fault: Fault, kind: type[Exception]
) -> None:
    fake.faults["/api/pull"] = fault
    with pytest.raises(kind) as caught:
        await ollama.pull_model("new")
    assert fault.text not in str(caught.value)


async def test_load_and_unload(start: Start, fake: OllamaFake) -> None:
    ollama = await start(keep_alive="10m", num_ctx=256)
    for name in ("demo:latest", "vectors:latest"):
        await ollama.load(name)
        (running,) = await ollama.running()
        assert (running.name, running.context_length) == (name, 256)
        await ollama.unload(name)
        assert not await ollama.running()
    with pytest.raises(ModelNotFound):
        await ollama.load("nobody")
    assert fake.asked("/api/embed") == [
        {"model": "vectors:latest", "keep_alive": "10m", "options": {"num_ctx": 256}, "input": []}
    ]


async def test_the_key_and_the_headers_go_with_every_request(start: Start, fake: OllamaFake) -> None:
    ollama = await start(api_key="hidden", headers={"x-team": "blue"})
    await ollama.generate("demo", "Hello")
    assert {(head["authorization"], head["x-team"]) for head in fake.headers} == {("Bearer hidden", "blue")}


async def test_of_several_keys_one_that_is_refused_gives_way(start: Start, fake: OllamaFake) -> None:
    ollama = await start(api_keys=["one", "two"])
    fake.faults["/api/generate"] = Fault(status=401)
    with pytest.raises(UpstreamAuthFailed) as caught:
        await ollama.generate("demo", "Hello")
    del fake.faults["/api/generate"]
    assert caught.value.rotated
    await ollama.generate("demo", "Hello")
    report = await ollama.health_check()
    assert report.status is HealthStatus.DEGRADED
    assert report.details["keys"] == {"usable": 1, "of": 2}


@pytest.mark.parametrize(
    ("path", "fault", "kind"),
    [
        ("/api/version", Fault(status=401), IntegrationAuthFailed),
        ("/api/version", Fault(status=404), IntegrationConfigError),
        ("/api/version", Fault(status=503), IntegrationNotReady),
        ("/api/tags", Fault(status=500), IntegrationNotReady),
        ("/api/tags", Fault(status=302), IntegrationConfigError),
    ],
)
async def test_a_start_that_fails_says_what_it_means(
    start: Start, fake: OllamaFake, path: str, fault: Fault, kind: type[Exception]
) -> None:
    fake.faults[path] = fault
    with pytest.raises(kind):
        await start(api_key="hidden")


@pytest.mark.parametrize("version", ["0.12.5", "0.3.0"])
async def test_a_server_that_cuts_prompts_is_refused(start: Start, fake: OllamaFake, version: str) -> None:
    fake.version = version
    with pytest.raises(IntegrationConfigError, match=r"0\.12\.6 or later"):
        await start()


async def test_an_address_where_nobody_listens_is_not_ready(fake: OllamaFake, start: Start) -> None:
    with pytest.raises(IntegrationNotReady, match="ollama serve"):
        await start(base_url="http://127.0.0.1:1")


async def test_a_server_that_is_silent_is_not_ready() -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        settings = {"base_url": f"http://127.0.0.1:{port}", "timeout": 0.1}
        ollama = OllamaIntegration(IntegrationConfig(name="ollama", settings=settings))
        with pytest.raises(IntegrationNotReady, match="within"):
            await ollama.initialize()
        await ollama.shutdown()
        await left.wait()


async def test_a_check_fails_while_the_server_is_away_and_the_models_stay_known(
    ollama: OllamaIntegration, fake: OllamaFake
) -> None:
    known = ollama.models()
    fake.faults["/api/version"] = Fault(status=503)
    with pytest.raises(UpstreamUnavailable):
        await ollama.health_check()
    assert ollama.models() == known
    fake.faults.clear()
    assert (await ollama.health_check()).details["models"] == 3


async def test_nothing_is_served_before_the_start_and_after_the_end(ollama: OllamaIntegration) -> None:
    await ollama.shutdown()
    assert ollama.models() == ()
    with pytest.raises(UpstreamUnavailable):
        await ollama.chat(chat())
