"""The integration before a server of either generation: found, asked, watched."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from app.core.integration_framework import HealthStatus, IntegrationConfig, IntegrationConfigError
from app.domain.chat import ChatRequest, CompletionRequest, Sampling, TextPart
from app.domain.embeddings import EmbeddingRequest, EmbeddingResult
from app.domain.errors import ModelNotFound, ProviderProtocolError, UpstreamAuthFailed, UpstreamUnavailable
from app.domain.events import UsageReported
from app.domain.exchange import Encoded, Exchange
from app.domain.models import ModelsChanged
from app.domain.streams import collect
from app.integrations.model_platforms.llama_stack import LlamaStackIntegration
from app.wire.openai_responses import request as openai_responses
from tests.integration.integrations.openai_compatible.provider import (
    everything,
    hello,
    passed_on,
    text,
    translated,
)
from tests.integration.llama_stack.conftest import Start
from tests.servers.llama_stack_fake import CURRENT, EARLY, LlamaStackFake, StackModel, StackProvider
from tests.servers.scripted import ScriptedServer, json_reply

CHAT = "ollama/llama3.2:3b"
DOWN = {"status": "Error", "message": "Health check timed out after 1 seconds, token=hf_canary"}


@pytest.fixture(params=[EARLY, CURRENT])
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[LlamaStackFake]:
    async with LlamaStackFake(request.param) as fake:
        yield fake


def asked(*, stream: bool = False, model: str = CHAT) -> Exchange[ChatRequest]:
    body = b'{"messages":[{"role":"user","content":"hi"}],"model":"alias","stream":%b,"stream_options":%b}'
    filled = body % ((b"true", b'{"include_usage":true}') if stream else (b"false", b"null"))
    return passed_on(filled, stream=stream, model=model)


async def test_what_is_found(fake: LlamaStackFake, start: Start) -> None:
    integration = await start(fake)
    found = {model.id: (sorted(model.capabilities), model.context_window) for model in integration.models()}
    assert found == {
        CHAT: (["chat", "completion"], None),
        "vllm/big": (["chat", "completion"], 32768),
        "ollama/all-minilm": (["embedding"], 512),
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_is_handed_on_and_has_its_end(fake: LlamaStackFake, start: Start, stream: bool) -> None:
    """The server's own stream stops without [DONE]."""
    integration = await start(fake)
    answer = await everything(integration.chat, asked(stream=stream))
    assert fake.requests[-1][0] == f"{fake.api}/chat/completions"
    assert fake.requests[-1][1]["model"] == CHAT
    assert text(answer).endswith(b"data: [DONE]\n\n") is stream
    assert [event.usage.output_tokens for event in answer if isinstance(event, UsageReported)] == [8]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_of_another_format(fake: LlamaStackFake, start: Start, stream: bool) -> None:
    integration = await start(fake)
    request = hello(sampling=Sampling(top_k=3, max_output_tokens=2))
    async with aclosing(await integration.chat(translated(request, stream=stream, model=CHAT))) as events:
        result = await collect(events)
    assert result.choices[0].message.content == (TextPart(text="A pod"),)
    assert result.choices[0].finish_reason == "length"
    assert "top_k" not in fake.requests[-1][1]


async def test_text_and_embeddings(fake: LlamaStackFake, start: Start) -> None:
    integration = await start(fake)
    request = CompletionRequest(model="alias", prompts=("A",))
    async with aclosing(await integration.complete(translated(request, model=CHAT))) as events:
        assert (await collect(events)).choices[0].message.content == (TextPart(text=fake.engine.answer),)
    vectors = EmbeddingRequest(model="alias", inputs=("a", "b"))
    (result,) = await everything(integration.embed, translated(vectors, model="ollama/all-minilm"))
    assert isinstance(result, EmbeddingResult)
    assert len(result.vectors) == 2


@pytest.mark.parametrize(
    ("version", "settings", "path"),
    [
        (CURRENT, {}, "/v1/responses"),
        (CURRENT, {"responses": False}, "/v1/chat/completions"),
        (EARLY, {}, "/v1/openai/v1/chat/completions"),
    ],
)
async def test_who_gets_responses_as_they_are(
    start: Start, version: str, settings: dict[str, Any], path: str
) -> None:
    body = msgspec.json.encode({"model": "alias", "input": "hi"})
    exchange: Exchange[ChatRequest] = Exchange(
        model=CHAT,
        decode=lambda: openai_responses.decode(body),
        encoded=Encoded(openai_responses.FORMAT, body, openai_responses.splice),
    )
    async with LlamaStackFake(version) as fake:
        integration = await start(fake, **settings)
        assert await everything(integration.chat, exchange)
    assert fake.requests[-1][0] == path


async def test_a_model_that_the_server_lacks(fake: LlamaStackFake, start: Start) -> None:
    integration = await start(fake)
    with pytest.raises(ModelNotFound) as caught:
        await integration.chat(asked(model="other"))
    assert "other" in str(caught.value)


async def test_a_provider_that_fails_takes_its_models_along_until_it_is_back(
    fake: LlamaStackFake, start: Start
) -> None:
    integration = await start(fake)
    changes: list[object] = []
    integration.context.publish = changes.append  # type: ignore[method-assign]
    assert (await integration.health_check()).status is HealthStatus.HEALTHY
    fake.providers[0].health = DOWN
    report = await integration.health_check()
    assert report.status is HealthStatus.DEGRADED
    assert "ollama (Health check timed out after 1 seconds" in report.message
    assert "canary" not in f"{report}"
    assert list(report.details["failing_providers"]) == ["inference/ollama"]
    assert [model.serving for model in integration.models()] == [False, True, False]
    fake.providers[0].health = {"status": "OK"}
    assert (await integration.health_check()).status is HealthStatus.HEALTHY
    assert [model.serving for model in integration.models()] == [True, True, True]
    assert changes == [ModelsChanged("stack"), ModelsChanged("stack")]


async def test_a_provider_of_something_else_is_told_but_takes_no_model_along(start: Start) -> None:
    async with LlamaStackFake(providers=[StackProvider("ollama", "safety", DOWN)]) as fake:
        integration = await start(fake)
        report = await integration.health_check()
    assert report.status is HealthStatus.DEGRADED
    assert all(model.serving for model in integration.models())


async def test_an_unchanged_list_is_no_news(fake: LlamaStackFake, start: Start) -> None:
    integration = await start(fake, model_refresh_interval=0)
    changes: list[object] = []
    integration.context.publish = changes.append  # type: ignore[method-assign]
    await integration.health_check()
    assert changes == []
    fake.models.append(StackModel("ollama/new"))
    await integration.health_check()
    assert changes == [ModelsChanged("stack")]


async def test_a_server_that_is_updated_is_spoken_to_as_it_now_is(start: Start) -> None:
    async with LlamaStackFake(EARLY) as fake:
        integration = await start(fake, model_refresh_interval=0)
        fake.version = CURRENT
        await integration.health_check()
        assert await everything(integration.chat, asked())
    assert fake.requests[-1][0] == "/v1/chat/completions"


async def test_key_and_provider_data_go_with_each_request(start: Start) -> None:
    async with LlamaStackFake(api_key="secret") as fake:
        await start(fake, api_key="secret", provider_data={"together_api_key": "t"})
        with pytest.raises(UpstreamAuthFailed):
            await start(fake, api_key="wrong")
    assert fake.headers[0]["x-llamastack-provider-data"] == '{"together_api_key": "t"}'
    assert fake.headers[0]["x-ogx-provider-data"] == '{"together_api_key": "t"}'


async def test_a_gateway_that_shows_the_api_alone(start: Start) -> None:
    async with LlamaStackFake() as fake:
        fake.hidden = {"/v1/version", "/v1/providers"}
        integration = await start(fake)
        report = await integration.health_check()
    assert (report.status, report.details["version"]) == (HealthStatus.HEALTHY, "")
    assert len(integration.models()) == 3


async def test_a_server_of_another_kind_is_told_apart() -> None:
    async with ScriptedServer().on("GET", "/v1/version", json_reply(b'{"detail":"Not Found"}', 404)) as server:
        integration = LlamaStackIntegration(IntegrationConfig(name="stack", settings={"base_url": server.url}))
        with pytest.raises(ProviderProtocolError, match="not a Llama Stack server"):
            await integration.initialize()
        await integration.shutdown()


async def test_before_it_started_and_with_a_file_that_is_not_there() -> None:
    config = IntegrationConfig(name="stack", settings={"base_url": "https://127.0.0.1:1", "ca_file": "none.pem"})
    integration = LlamaStackIntegration(config)
    with pytest.raises(UpstreamUnavailable):
        await integration.chat(asked())
    with pytest.raises(IntegrationConfigError):
        await integration.initialize()
