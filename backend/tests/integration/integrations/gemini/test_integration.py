"""The integration's life: starting, keys, the list of models, health, stopping."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from app.core.integration_framework import (
    HealthStatus,
    IntegrationConfig,
    IntegrationConfigError,
    IntegrationContext,
)
from app.core.integration_framework.events import EventPublisher
from app.domain.errors import UpstreamAuthFailed, UpstreamUnavailable
from app.domain.models import ModelInfo, ModelsChanged
from app.domain.ports import ChatProvider, EmbeddingProvider, TokenCounter
from app.integrations.model_platforms.gemini import DEFAULT_GEMINIINTEGRATION_CONFIG, GeminiIntegration
from app.integrations.model_platforms.gemini.discovery import named
from app.testing.contract import IntegrationContract
from tests.integration.integrations.gemini.asking import chat
from tests.integration.integrations.gemini.conftest import Start
from tests.integration.ollama.asking import read, text_of
from tests.servers.gemini_answers import ANSWER
from tests.servers.gemini_checks import Refused
from tests.servers.gemini_fake import KEY, FakeModel, Fault, GeminiFake
from tests.servers.scripted import ScriptedServer, json_reply


class TestContract(IntegrationContract):
    integration = GeminiIntegration
    unready_settings: ClassVar[Mapping[str, Any]] = {"base_url": "http://127.0.0.1:1", "api_key": KEY}
    bad_settings = (
        {},
        {"api_key": "not-needed"},
        {"api_key": KEY, "base_url": "nowhere"},
        {"api_key": KEY, "api_version": "../v1"},
        {"api_key": KEY, "timeout": 0},
        {"api_key": KEY, "colour": "blue"},
    )

    @pytest.fixture(autouse=True)
    def _served(self, fake: GeminiFake) -> None:
        self.settings = {"base_url": fake.base_url, "api_key": KEY}


@pytest.mark.parametrize("port", [ChatProvider, EmbeddingProvider, TokenCounter])
def test_ports(port: type) -> None:
    config = DEFAULT_GEMINIINTEGRATION_CONFIG.model_copy(update={"settings": {"api_key": KEY}})
    gemini = GeminiIntegration(config)
    assert isinstance(gemini, port)
    assert gemini.accepts_unlisted
    assert gemini.models() == ()


def test_a_missing_key_is_told_with_where_to_set_it() -> None:
    with pytest.raises(IntegrationConfigError, match="GEMINI_API_KEY"):
        GeminiIntegration(DEFAULT_GEMINIINTEGRATION_CONFIG)


async def test_models(gemini: GeminiIntegration) -> None:
    models = {model.id: model for model in gemini.models()}
    assert list(models) == ["gemini-3.5-flash", "gemini-2.5-pro", "gemini-2.0-flash", "gemini-embedding-001"]
    assert models["gemini-3.5-flash"] == ModelInfo(
        id="gemini-3.5-flash",
        provider="gemini",
        capabilities=frozenset({"chat", "tools", "vision", "audio", "json_schema", "reasoning"}),
        context_window=1_048_576,
        max_output_tokens=65_536,
        owned_by="google",
        description="The model gemini-3.5-flash.",
        aliases=("models/gemini-3.5-flash",),
    )
    assert "reasoning" not in models["gemini-2.0-flash"].capabilities
    assert models["gemini-embedding-001"].capabilities == {"embedding"}
    assert models["gemini-embedding-001"].context_window == 2048


async def test_a_long_list_comes_in_pages(start: Start, fake: GeminiFake) -> None:
    fake.models = tuple(FakeModel(f"gemini-2.5-flash-{at}") for at in range(1001))
    assert len((await start()).models()) == 1001
    assert [path for path, _ in fake.heads] == [
        "/v1beta/models?pageSize=1000",
        "/v1beta/models?pageSize=1000&pageToken=1000",
    ]


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        (
            {"models": ["models/gemini-2.5-pro", "tunedModels/mine"], "discover": False},
            ["gemini-2.5-pro", "tunedModels/mine"],
        ),
        ({"models": ["gemini-embedding-2"], "discover": False}, ["gemini-embedding-2"]),
    ],
)
async def test_models_that_are_set(
    start: Start, fake: GeminiFake, settings: dict[str, Any], ids: list[str]
) -> None:
    gemini = await start(**settings)
    assert [model.id for model in gemini.models()] == ids
    assert [path for path, _ in fake.heads] == ["/v1beta/models?pageSize=1"]


def test_what_a_name_alone_tells() -> None:
    assert "reasoning" in named("gemini-2.5-pro", "g").capabilities
    assert "reasoning" not in named("gemini-2.0-flash", "g").capabilities
    assert named("gemma-3-27b-it", "g").capabilities == {"chat"}
    assert named("models/gemini-embedding-2", "g").capabilities == {"embedding"}


async def test_an_address_may_name_the_version(start: Start, fake: GeminiFake) -> None:
    gemini = await start(base_url=f"{fake.base_url}/v1", api_version="v1")
    assert text_of(await read(await gemini.chat(chat()))) == ANSWER
    assert {path.split("/")[1] for path, _ in fake.heads} == {"v1"}


@pytest.mark.parametrize("discover", [True, False])
async def test_a_wrong_key_needs_a_person(start: Start, discover: bool) -> None:
    with pytest.raises(UpstreamAuthFailed) as caught:
        await start(api_key="wrong-canary", discover=discover)
    assert "canary" not in caught.value.message


async def test_a_key_among_the_headers(start: Start, fake: GeminiFake) -> None:
    gemini = await start(api_key="not-needed", headers={"X-Goog-Api-Key": KEY, "x-team": "blue"})
    assert text_of(await read(await gemini.chat(chat()))) == ANSWER
    assert fake.heads[-1][1]["x-team"] == "blue"


async def test_several_keys_of_which_one_is_wrong(start: Start) -> None:
    """Google refuses a wrong key with 400; it rests all the same, and the integration tells."""
    gemini = await start(api_key="not-needed", api_keys=["wrong", KEY])
    report = await gemini.health_check()
    assert report.status is HealthStatus.DEGRADED
    for _ in range(3):
        assert text_of(await read(await gemini.chat(chat()))) == ANSWER


async def test_a_key_that_is_refused_while_it_is_used_is_rotated(start: Start, fake: GeminiFake) -> None:
    gemini = await start(api_key="not-needed", api_keys=[KEY, "second"])
    fake.faults["streamGenerateContent"] = Fault(Refused(403, "PERMISSION_DENIED", "Your API key was leaked."))
    with pytest.raises(UpstreamAuthFailed) as caught:
        await gemini.chat(chat())
    assert caught.value.rotated


async def test_health(start: Start, fake: GeminiFake) -> None:
    gemini = await start(model_refresh_interval=0)
    heard: list[ModelsChanged] = []
    events = EventPublisher()
    events.subscribe(ModelsChanged, heard.append)
    gemini.context = IntegrationContext(events=events)
    report = await gemini.health_check()
    assert report.details["models"] == 4
    assert report.details["latency_ms"] > 0
    assert heard == []
    fake.models = (*fake.models, FakeModel("gemini-4-pro", thinking=True))
    await gemini.health_check()
    assert heard == [ModelsChanged("gemini")]
    fake.faults["list"] = Fault(Refused(503, "UNAVAILABLE", "canary"))
    with pytest.raises(UpstreamUnavailable):
        await gemini.health_check()
    assert len(gemini.models()) == 5


@pytest.mark.parametrize("body", [None, b"[]", b'{"models": 7}', b"<html>", b'{"models":[{"id":"m"}]}'])
async def test_a_server_that_is_not_gemini(body: bytes | None) -> None:
    async with ScriptedServer() as server:
        if body is not None:
            server.on("GET", "/v1beta/models?pageSize=1000", json_reply(body))
        gemini = GeminiIntegration(IntegrationConfig(name="g", settings={"base_url": server.url, "api_key": KEY}))
        with pytest.raises(IntegrationConfigError, match="base_url"):
            await gemini.initialize()
        await gemini.shutdown()


async def test_nothing_is_served_before_the_start_and_after_the_end(gemini: GeminiIntegration) -> None:
    await gemini.shutdown()
    with pytest.raises(UpstreamUnavailable):
        await gemini.chat(chat())
