"""Starting, health, the list of models, stopping."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.core.integration_framework import (
    HealthReport,
    HealthStatus,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationContext,
)
from app.core.integration_framework.events import EventPublisher
from app.domain.errors import ProviderProtocolError, UpstreamAuthFailed, UpstreamError, UpstreamUnavailable
from app.domain.models import ModelsChanged
from app.domain.ports import ChatProvider, CompletionProvider, EmbeddingProvider
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.integration import (
    DEFAULT_OPENAICOMPATIBLEINTEGRATION_CONFIG,
    OpenAICompatibleIntegration,
)
from tests.integration.integrations.openai_compatible.provider import (
    CHAT,
    LIST,
    config,
    everything,
    passed_on,
    running,
)
from tests.servers.scripted import Reply, ScriptedServer, json_reply

MODELS = "/v1/models"
TWO = json_reply(b'{"data":[{"id":"m"},{"id":"n"}]}')


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


def names(integration: OpenAICompatibleIntegration) -> list[str]:
    return [model.id for model in integration.models()]


def test_it_satisfies_the_ports() -> None:
    integration = OpenAICompatibleIntegration(DEFAULT_OPENAICOMPATIBLEINTEGRATION_CONFIG)
    assert isinstance(integration, ChatProvider)
    assert isinstance(integration, CompletionProvider)
    assert isinstance(integration, EmbeddingProvider)
    assert integration.accepts_unlisted
    assert integration.vendor.base_url == "http://localhost:8000"


@pytest.mark.parametrize(
    ("kind", "settings", "names_it"),
    [
        ("vllm", {}, "base_url"),
        ("groq", {}, "GROQ_API_KEY"),
        ("azure_openai", {"api_key": "k"}, "AZURE_OPENAI_ENDPOINT"),
        ("azure_openai", {"base_url": "http://host"}, "AZURE_OPENAI_API_KEY"),
        ("groq", {"api_key": "not-needed"}, "api_key"),
        ("vllm", {"base_url": "http://user:canary@host"}, "base_url"),
        ("vllm", {"base_url": "http://host", "api_key": 7}, "api_key"),
        ("vllm", {"base_url": "http://host", "api_key": "canary\n"}, "api_key"),
        ("vllm", {"base_url": "http://host", "api_keys": ["canary", "canary\u00e9"]}, "api_keys.1"),
        ("vllm", {"base_url": "http://host", "api_key": "canary", "api_keys": ["canary2"]}, "not both"),
        ("groq", {"api_keys": [""]}, "GROQ_API_KEY"),
        ("vllm", {"base_url": "http://host", "colour": "canary"}, "colour"),
        ("vllm", {"base_url": "http://host", "headers": {"x": "canary\n"}}, "headers"),
        ("vllm", {"base_url": "http://host", "timeout": 0}, "timeout"),
    ],
)
def test_settings_that_cannot_work(kind: str, settings: dict[str, Any], names_it: str) -> None:
    with pytest.raises(IntegrationConfigError, match=names_it) as caught:
        OpenAICompatibleIntegration(IntegrationConfig(name="up", kind=kind, settings=settings))
    assert "canary" not in str(caught.value)


async def test_a_tls_file_that_is_none() -> None:
    integration = OpenAICompatibleIntegration(config("https://127.0.0.1:9", ca_file="/nowhere.pem"))
    with pytest.raises(IntegrationConfigError, match="ca_file"):
        await integration.initialize()
    await integration.shutdown()


async def test_any_number_of_instances(server: ScriptedServer) -> None:
    server.on("GET", "/left/v1/models", LIST).on("GET", "/right/v1/models", TWO)
    pair = [
        OpenAICompatibleIntegration(
            IntegrationConfig(name=side, kind="vllm", settings={"base_url": f"{server.url}/{side}/v1"})
        )
        for side in ("left", "right")
    ]
    await asyncio.gather(*(integration.initialize() for integration in pair))
    assert {integration.name: names(integration) for integration in pair} == {"left": ["m"], "right": ["m", "n"]}
    assert {model.provider for model in pair[1].models()} == {"right"}
    await asyncio.gather(*(integration.shutdown() for integration in pair))


@pytest.mark.parametrize(
    ("settings", "listed", "wanted"),
    [
        ({"models": ["mine", "m"]}, LIST, ["mine", "m"]),
        ({"models": ["mine"]}, LIST, ["mine", "m"]),
        ({"models": ["mine"], "discover": False}, LIST, ["mine"]),
        ({"models": ["mine"]}, json_reply(b"{}", 404), ["mine"]),
        ({}, json_reply(b"{}", 404), []),
    ],
)
async def test_models_that_are_set(
    server: ScriptedServer, settings: dict[str, Any], listed: Reply, wanted: list[str]
) -> None:
    server.on("GET", MODELS, listed)
    async with running(server, **settings) as integration:
        assert names(integration) == wanted
    assert bool(server.requests_to(MODELS)) is settings.get("discover", True)


async def test_where_a_list_is_not_of_what_can_be_asked_for(server: ScriptedServer) -> None:
    answer = json_reply(b'{"data":[{"id":"gpt-4o","created":7},{"id":"o3"}]}')
    server.on("GET", "/openai/v1/models", answer)
    async with running(server, "azure_openai", models=["mine", "gpt-4o"]) as integration:
        assert [(model.id, model.created) for model in integration.models()] == [("mine", 0), ("gpt-4o", 7)]


@pytest.mark.parametrize(
    ("listed", "error"),
    [
        (json_reply(b'{"error":{"message":"sk-canary"}}', 401), UpstreamAuthFailed),
        (json_reply(b"{}", 403), UpstreamAuthFailed),
        (json_reply(b"{}", 503), UpstreamUnavailable),
        (json_reply(b"<html>"), ProviderProtocolError),
    ],
)
async def test_a_server_that_refuses(server: ScriptedServer, listed: Reply, error: type[UpstreamError]) -> None:
    server.on("GET", MODELS, listed)
    with pytest.raises(error) as caught:
        async with running(server):
            pass
    assert "canary" not in str(caught.value)


async def test_a_server_that_is_not_there() -> None:
    integration = OpenAICompatibleIntegration(config("http://127.0.0.1:1"))
    with pytest.raises(UpstreamUnavailable):
        await integration.initialize()
    await integration.shutdown()
    with pytest.raises(UpstreamUnavailable, match="not started"):
        await integration.chat(passed_on())


async def test_changes_are_told_once(server: ScriptedServer) -> None:
    server.on("GET", MODELS, LIST, LIST, LIST, TWO)
    told: list[ModelsChanged] = []
    events = EventPublisher()
    events.subscribe(ModelsChanged, told.append)
    integration = OpenAICompatibleIntegration(config(server.url, "vllm", model_refresh_interval=0))
    integration.context = IntegrationContext(events)
    await integration.initialize()
    counts = [len(told)]
    for _ in range(3):
        await integration.health_check()
        counts.append(len(told))
    await integration.shutdown()
    assert counts == [1, 1, 1, 2]
    assert told == [ModelsChanged("up")] * 2
    assert names(integration) == ["m", "n"]


async def test_a_young_list_is_not_asked_for_again(server: ScriptedServer) -> None:
    async with running(server, "vllm") as integration:
        report = await integration.health_check()
        await integration.health_check()
    assert [request.path for request in server.received] == [MODELS, "/health", "/health"]
    assert report.details["models"] == 1
    assert report.details["latency_ms"] >= 0
    assert report.details["key_checked"]


async def test_an_open_list_says_nothing_about_the_key(server: ScriptedServer) -> None:
    async with running(server, "nvidia") as integration:
        assert not (await integration.health_check()).details["key_checked"]


async def test_a_wrong_key_shows_at_once_where_it_can(server: ScriptedServer) -> None:
    server.on("GET", "/v1/key", json_reply(b"{}", 401))
    with pytest.raises(UpstreamAuthFailed):
        async with running(server, "openrouter"):
            pass


@pytest.mark.parametrize("kind", CATALOGUE)
async def test_the_sign_of_life_of_each_vendor(server: ScriptedServer, kind: str) -> None:
    async with running(server, kind) as integration:
        vendor = integration.vendor
        path = vendor.locate(vendor.health_path)
        assert isinstance(await integration.health_check(), HealthReport)
        assert server.received[-1].path == path
        server.on("GET", path, json_reply(b'{"error":"loading"}', 503))
        with pytest.raises(UpstreamUnavailable):
            await integration.health_check()
        server.on("GET", path, json_reply(b"{}", 401))
        with pytest.raises(UpstreamAuthFailed):
            await integration.health_check()
        await server.stop()
        with pytest.raises(UpstreamUnavailable):
            await integration.health_check()


async def test_one_of_several_keys_is_out(server: ScriptedServer) -> None:
    server.on("POST", CHAT, json_reply(b"{}", 401), json_reply(b'{"choices":[]}'))
    async with running(server, "vllm", api_key="", api_keys=["sk-canary-a", "sk-canary-b"]) as integration:
        with pytest.raises(UpstreamAuthFailed) as caught:
            await integration.chat(passed_on())
        assert caught.value.rotated
        await everything(integration.chat, passed_on())
        report = await integration.health_check()
    sent = [request.headers["authorization"] for request in server.requests_to(CHAT)]
    assert sent == ["Bearer sk-canary-b", "Bearer sk-canary-a"]
    assert report.status is HealthStatus.DEGRADED
    assert report.details["keys"] == {"usable": 1, "of": 2}
    assert "canary" not in f"{report} {caught.value}"


async def test_no_secret_shows(server: ScriptedServer) -> None:
    async with running(server, headers={"x-key": "canary"}) as integration:
        for shown in (
            integration,
            integration.settings,
            integration.vendor,
            vars(integration)["_upstream"],
            vars(vars(integration)["_upstream"]),
        ):
            assert "canary" not in f"{shown!r} {shown}"
