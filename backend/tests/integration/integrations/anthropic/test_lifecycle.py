"""Starting, health, the list of models, stopping."""

import asyncio
from typing import Any

import pytest

from app.core.integration_framework import (
    HealthStatus,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationContext,
)
from app.core.integration_framework.events import EventPublisher
from app.domain.errors import (
    PlatformError,
    ProviderProtocolError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamUnavailable,
)
from app.domain.models import ModelInfo, ModelsChanged
from app.domain.ports import ChatProvider, CompletionProvider, EmbeddingProvider, TokenCounter
from app.integrations.model_platforms import DEFAULT_ANTHROPICINTEGRATION_CONFIG, AnthropicIntegration
from tests.integration.integrations.anthropic.provider import asked, config, passed_on, running
from tests.servers.anthropic_fake import KEY, AnthropicFake
from tests.servers.anthropic_models import HAIKU, MODELS, OLD, OPUS, RETIRED, FakeModel
from tests.servers.scripted import Reply, ScriptedServer, json_reply

LISTED = [model.id for model in MODELS if model is not RETIRED]
PAGE = "/v1/models?limit=1000"


def names(integration: AnthropicIntegration) -> list[str]:
    return [model.id for model in integration.models()]


async def test_it_satisfies_the_ports(fake: AnthropicFake) -> None:
    async with running(fake.url) as integration:
        assert isinstance(integration, ChatProvider)
        assert isinstance(integration, TokenCounter)
        assert not isinstance(integration, CompletionProvider)
        assert not isinstance(integration, EmbeddingProvider)
        assert integration.accepts_unlisted


async def test_what_is_known_of_a_model(fake: AnthropicFake) -> None:
    async with running(fake.url) as integration:
        known = {model.id: model for model in integration.models()}
    assert list(known) == LISTED
    assert known[OPUS.id] == ModelInfo(
        id=OPUS.id,
        provider="up",
        capabilities=frozenset({"chat", "tools", "vision", "json_schema", "reasoning"}),
        context_window=1_000_000,
        max_output_tokens=128_000,
        family="opus",
        created=1_790_812_800,
        owned_by="anthropic",
        description="Claude Opus 5.5",
        details={
            "thinking": ["adaptive", "between_tools", "disabled"],
            "effort": ["high", "low", "max", "medium", "xhigh"],
            "sampling": False,
        },
    )
    assert known[OLD.id].capabilities == {"chat", "tools", "vision"}
    assert known[OLD.id].details["lifecycle"] == "deprecated"
    assert {id: model.details["sampling"] for id, model in known.items()} == {
        model.id: model.sampled for model in MODELS if model is not RETIRED
    }
    assert known[HAIKU.id].aliases == ("claude-haiku-4-5",)
    assert known[OPUS.id].aliases == ()


async def test_the_newest_of_a_name_has_it_without_the_date() -> None:
    dated = [
        FakeModel(f"claude-x-{date}", "X", f"{date[:4]}-{date[4:6]}-{date[6:]}T00:00:00Z", "opus")
        for date in ("20250101", "20260101", "20240101")
    ]
    async with AnthropicFake(*dated, OPUS) as fake, running(fake.url) as integration:
        assert [model.aliases for model in integration.models()] == [(), ("claude-x",), (), ()]


async def test_a_list_of_many_pages() -> None:
    many = [FakeModel(f"claude/{n}?&", "Many", "2026-01-01T00:00:00Z", None) for n in range(2500)]
    async with AnthropicFake(*many) as fake, running(fake.url) as integration:
        assert names(integration) == [model.id for model in many]
        assert len(fake.asked("/v1/models")) == 3


async def test_pages_without_end_do_come_to_one() -> None:
    page = json_reply(b'{"data":[{"id":"m"}],"has_more":true,"last_id":"m"}')
    async with ScriptedServer() as server:
        server.on("GET", PAGE, page).on("GET", f"{PAGE}&after_id=m", page)
        async with running(server.url) as integration:
            assert names(integration) == ["m"]
        assert len(server.received) < 50


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, LISTED),
        ({"models": ["mine", OPUS.id]}, ["mine", *LISTED]),
        ({"models": ["mine"], "discover": False}, ["mine"]),
    ],
)
async def test_models_that_are_set(fake: AnthropicFake, settings: dict[str, Any], wanted: list[str]) -> None:
    async with running(fake.url, **settings) as integration:
        assert names(integration) == wanted
    assert bool(fake.asked("/v1/models")) is settings.get("discover", True)


async def test_a_server_without_a_list_serves_what_is_set() -> None:
    async with AnthropicFake(lists=False) as fake, running(fake.url, models=["mine"]) as integration:
        assert names(integration) == ["mine"]
        assert integration.models()[0].capabilities == {"chat", "tools"}
        assert (await integration.health_check()).details["models"] == 1


async def test_another_vendors_list_tells_less() -> None:
    listed = (
        b'{"data":[{"id":"m","created_at":7},'
        b'{"id":"n","capabilities":{"thinking":{"supported":true,"types":{"enabled":{"supported":true}}}}}]}'
    )
    async with ScriptedServer() as server:
        server.on("GET", PAGE, json_reply(listed))
        async with running(server.url) as integration:
            less, more = integration.models()
    assert less == ModelInfo(id="m", provider="up", capabilities=frozenset({"chat", "tools"}))
    assert more.details == {"thinking": ["disabled", "enabled"], "effort": [], "sampling": True}


@pytest.mark.parametrize("address", ["{}", "{}/", "{}/v1", "{}/v1/"])
async def test_an_address_with_and_without_its_version(fake: AnthropicFake, address: str) -> None:
    async with running(address.format(fake.url)) as integration:
        assert names(integration) == LISTED


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({}, {"x-api-key": KEY}),
        ({"Authorization": f"Bearer {KEY}"}, {"authorization": f"Bearer {KEY}"}),
        ({"X-Api-Key": KEY}, {"x-api-key": KEY}),
        ({"Anthropic-Version": "2026-10-21"}, {"x-api-key": KEY, "anthropic-version": "2026-10-21"}),
    ],
)
async def test_how_it_shows_who_it_is(fake: AnthropicFake, headers: dict[str, str], shown: dict[str, str]) -> None:
    key = "wrong" if headers and "Anthropic-Version" not in headers else KEY
    async with running(fake.url, headers=headers, api_key=key) as integration:
        await integration.health_check()
    for request in fake.received:
        told = {name: request.headers.get(name) for name in ("x-api-key", "authorization", "anthropic-version")}
        assert {name: value for name, value in told.items() if value} == {
            "anthropic-version": "2023-06-01",
            **shown,
        }


@pytest.mark.parametrize(
    ("settings", "names_it"),
    [
        ({}, "ANTHROPIC_API_KEY"),
        ({"base_url": "https://api.anthropic.com/v1"}, "ANTHROPIC_API_KEY"),
        ({"api_key": "canary", "base_url": "http://user:canary@host"}, "base_url"),
        ({"api_key": "canary", "colour": "canary"}, "colour"),
        ({"api_key": "canary", "headers": {"x": "canary\n"}}, "headers"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], names_it: str) -> None:
    with pytest.raises(IntegrationConfigError, match=names_it) as caught:
        AnthropicIntegration(IntegrationConfig(name="up", kind="anthropic", settings=settings))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "settings", [{"base_url": "http://127.0.0.1:1"}, {"headers": {"Authorization": "Bearer token"}}]
)
def test_a_key_is_not_always_needed(settings: dict[str, Any]) -> None:
    AnthropicIntegration(IntegrationConfig(name="up", settings=settings))
    assert DEFAULT_ANTHROPICINTEGRATION_CONFIG.settings["base_url"] == "https://api.anthropic.com"


async def test_a_tls_file_that_is_none() -> None:
    integration = AnthropicIntegration(config("https://127.0.0.1:9", ca_file="/nowhere.pem"))
    with pytest.raises(IntegrationConfigError, match="ca_file"):
        await integration.initialize()
    await integration.shutdown()


@pytest.mark.parametrize(
    ("listed", "error"),
    [
        (json_reply(b'{"type":"error","error":{"message":"sk-ant-canary"}}', 401), UpstreamAuthFailed),
        (json_reply(b"{}", 403), UpstreamAuthFailed),
        (json_reply(b"{}", 529), UpstreamUnavailable),
        (json_reply(b"<html>"), ProviderProtocolError),
        (json_reply(b'{"data":7}'), ProviderProtocolError),
    ],
)
async def test_a_server_that_refuses(listed: Reply, error: type[UpstreamError]) -> None:
    async with ScriptedServer() as server:
        server.on("GET", PAGE, listed)
        with pytest.raises(error) as caught:
            async with running(server.url):
                pass
    assert "canary" not in str(caught.value)


async def test_a_wrong_key_shows_at_the_start(fake: AnthropicFake) -> None:
    with pytest.raises(UpstreamAuthFailed):
        async with running(fake.url, api_key="wrong"):
            pass


async def test_health(fake: AnthropicFake) -> None:
    async with running(fake.url) as integration:
        report = await integration.health_check()
        assert report.details["models"] == len(LISTED)
        assert report.details["latency_ms"] >= 0
        assert len(fake.asked("/v1/models")) == 2
        fake.keys = {"another"}
        with pytest.raises(UpstreamAuthFailed):
            await integration.health_check()
        await fake.stop()
        with pytest.raises(UpstreamUnavailable):
            await integration.health_check()


async def test_changes_are_told_once(fake: AnthropicFake) -> None:
    told: list[ModelsChanged] = []
    events = EventPublisher()
    events.subscribe(ModelsChanged, told.append)
    integration = AnthropicIntegration(config(fake.url, model_refresh_interval=0))
    integration.context = IntegrationContext(events)
    await integration.initialize()
    await integration.health_check()
    assert told == [ModelsChanged("up")]
    fake.models.append(FakeModel("claude-new", "New", "2026-11-01T00:00:00Z", "opus"))
    await integration.health_check()
    assert told == [ModelsChanged("up")] * 2
    assert names(integration) == [*LISTED, "claude-new"]
    await integration.shutdown()


async def test_several_keys_take_turns(fake: AnthropicFake) -> None:
    fake.keys = {KEY, "second"}
    async with running(fake.url, api_key="not-needed", api_keys=[KEY, "second"]) as integration:
        for _ in range(2):
            await asked(integration, passed_on())
        assert {each.headers["x-api-key"] for each in fake.asked()} == fake.keys
        fake.keys = {"second"}
        refusals = [error for _ in range(2) if (error := await refusal(integration))]
        assert [error.rotated for error in refusals] == [True]
        report = await integration.health_check()
    assert report.status is HealthStatus.DEGRADED
    assert report.details["keys"] == {"usable": 1, "of": 2}


async def refusal(integration: AnthropicIntegration) -> PlatformError | None:
    try:
        await asked(integration, passed_on())
    except UpstreamAuthFailed as error:
        return error
    return None


async def test_any_number_of_instances(fake: AnthropicFake) -> None:
    async with AnthropicFake(OPUS) as other:
        pair = [
            AnthropicIntegration(
                IntegrationConfig(name=side, kind="anthropic", settings={"base_url": url, "api_key": KEY})
            )
            for side, url in (("left", fake.url), ("right", other.url))
        ]
        await asyncio.gather(*(integration.initialize() for integration in pair))
        assert [names(integration) for integration in pair] == [LISTED, [OPUS.id]]
        assert {model.provider for model in pair[1].models()} == {"right"}
        await asyncio.gather(*(integration.shutdown() for integration in pair))


async def test_no_secret_shows(fake: AnthropicFake) -> None:
    async with running(fake.url, headers={"x-key": "canary"}) as integration:
        for shown in (integration, integration.settings, vars(integration)["_upstream"]):
            assert "canary" not in f"{shown!r} {shown}"
