"""The integration before the router: what is found, chat by whoever has a model, embeddings by its own servers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.core.integration_framework import HealthStatus, IntegrationConfig
from app.domain.chat import ChatRequest, Message, Sampling, TextPart
from app.domain.embeddings import EmbeddingRequest, EmbeddingResult
from app.domain.errors import (
    ModelNotFound,
    PlatformError,
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamAuthFailed,
)
from app.domain.events import UsageReported
from app.domain.models import ModelInfo
from app.domain.ports import CompletionProvider, TokenCounter
from app.domain.prices import Price
from app.integrations.model_platforms.huggingface import HuggingFaceHubIntegration
from app.integrations.model_platforms.huggingface.discovery import read_models
from tests.integration.integrations.openai_compatible.provider import (
    BODY,
    everything,
    hello,
    passed_on,
    text,
    translated,
)
from tests.servers.huggingface_fake import BY_TOKEN, DEEPSEEK, EMBEDDER, RECORDS, TOKEN, HuggingFaceFake
from tests.servers.scripted import Reply, ScriptedServer, json_reply

NOVITA, TOGETHER = {"input": 1.69, "output": 3.38}, {"input": 2.1, "output": 4.4}
WHOLE = ModelInfo(
    id=DEEPSEEK,
    provider="hub",
    capabilities=frozenset({"chat", "tools", "json_schema"}),
    context_window=1048576,
    created=1776837885,
    owned_by="deepseek-ai",
    details={"pricing": {"novita": NOVITA, "together": TOGETHER}},
)
KIMI = ModelInfo(
    id="moonshotai/Kimi-K3",
    provider="hub",
    capabilities=frozenset({"chat", "vision"}),
    created=1780000000,
    owned_by="moonshotai",
    serving=False,
)


def of_provider(name: str, **fields: Any) -> ModelInfo:
    common = {"provider": "hub", "created": 1776837885, "owned_by": "deepseek-ai"}
    return ModelInfo(id=f"{DEEPSEEK}:{name}", **{**common, **fields})


@asynccontextmanager
async def running(url: str, **settings: Any) -> AsyncIterator[HuggingFaceHubIntegration]:
    config = IntegrationConfig(name="hub", settings={"base_url": url, "api_key": TOKEN, **settings})
    integration = HuggingFaceHubIntegration(config)
    try:
        await integration.initialize()
        yield integration
    finally:
        await integration.shutdown()


def test_what_its_records_say() -> None:
    assert list(read_models({"data": RECORDS}, "hub", list_providers=False)) == [WHOLE, KIMI]


def test_each_provider_with_what_it_has() -> None:
    assert list(read_models({"data": RECORDS}, "hub", list_providers=True)) == [
        WHOLE,
        of_provider(
            "novita",
            capabilities=frozenset({"chat", "tools"}),
            context_window=1048576,
            details={"pricing": {"novita": NOVITA}},
            price=Price(input=1.69, output=3.38),
        ),
        of_provider(
            "together",
            capabilities=frozenset({"chat", "tools", "json_schema"}),
            context_window=512000,
            details={"pricing": {"together": TOGETHER}},
            price=Price(input=2.1, output=4.4),
        ),
        of_provider("featherless-ai", capabilities=frozenset({"chat"})),
        KIMI,
    ]


@pytest.mark.parametrize("providers", [None, [], "no", [{"no": "name"}, 7]])
def test_a_record_that_tells_of_no_provider_counts_as_serving(providers: object) -> None:
    (model,) = read_models({"data": [{"id": "a/b", "providers": providers}]}, "hub", list_providers=True)
    assert (model.serving, model.context_window) == (True, None)


async def test_what_is_found_and_what_is_added() -> None:
    async with HuggingFaceFake() as fake, running(fake.base_url, embedding_models=[EMBEDDER]) as integration:
        assert [model.id for model in integration.models()] == [DEEPSEEK, "moonshotai/Kimi-K3", EMBEDDER]
        assert integration.models()[-1].capabilities == {"embedding"}
        report = await integration.health_check()
    assert report.status is HealthStatus.HEALTHY
    assert report.details["models"] == 3
    assert fake.requests[-1][0] == f"/v1/models/{DEEPSEEK}"


@pytest.mark.parametrize("suffix", ["", ":fastest", ":cheapest", ":together"])
async def test_a_chat_goes_to_who_is_named(suffix: str) -> None:
    async with HuggingFaceFake() as fake, running(f"{fake.base_url}/v1", bill_to="our-org") as integration:
        answer = await everything(integration.chat, passed_on(BODY, model=f"{DEEPSEEK}{suffix}"))
    assert fake.engine.answer.encode() in text(answer)
    assert isinstance(answer[-1], UsageReported)
    assert fake.requests[-1][1]["model"] == f"{DEEPSEEK}{suffix}"
    assert fake.headers[-1]["x-hf-bill-to"] == "our-org"


async def test_a_chat_of_another_format_is_put_plainly() -> None:
    developer = Message(role="developer", content=(TextPart(text="Be brief."),))
    request: ChatRequest = hello(messages=(developer,), sampling=Sampling(top_k=3, max_output_tokens=5))
    async with HuggingFaceFake() as fake, running(fake.base_url) as integration:
        await everything(integration.chat, translated(request, model=DEEPSEEK))
    asked = fake.requests[-1][1]
    assert (asked["messages"][0]["role"], asked["max_tokens"]) == ("system", 5)
    assert "top_k" not in asked


async def test_what_the_router_refuses() -> None:
    async with HuggingFaceFake() as fake:
        async with running(fake.base_url) as integration:
            with pytest.raises(ModelNotFound):
                await integration.chat(passed_on(BODY, model="no/such"))
        async with running(fake.base_url, api_key="hf_wrong") as integration:
            with pytest.raises(UpstreamAuthFailed) as caught:
                await integration.chat(passed_on(BODY, model=DEEPSEEK))
    assert "hf_" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["", ":hf-inference"])
async def test_texts_are_embedded(suffix: str) -> None:
    request = EmbeddingRequest(model="alias", inputs=("a", "b"))
    async with HuggingFaceFake() as fake, running(fake.base_url) as integration:
        (result,) = await everything(integration.embed, translated(request, model=f"{EMBEDDER}{suffix}"))
        vectors = tuple(tuple(fake.engine.embed(each)) for each in "ab")
    assert result == EmbeddingResult(model=f"{EMBEDDER}{suffix}", vectors=vectors)
    assert fake.requests[-1] == (
        f"/hf-inference/models/{EMBEDDER}/pipeline/feature-extraction",
        {"inputs": ["a", "b"]},
    )


@pytest.mark.parametrize(
    ("model", "fields", "error"),
    [
        (f"{EMBEDDER}:together", {}, UnsupportedFeature),
        (EMBEDDER, {"inputs": ((1, 2),)}, UnsupportedFeature),
        (EMBEDDER, {"dimensions": 2}, UnsupportedFeature),
        (BY_TOKEN, {}, UnsupportedFeature),
        ("no/such", {}, ModelNotFound),
        ("../../v1/models", {}, ModelNotFound),
        ("a/b/c", {}, ModelNotFound),
        ("a/..", {}, ModelNotFound),
        ("a?b", {}, ModelNotFound),
        ("", {}, ModelNotFound),
    ],
)
async def test_what_cannot_be_embedded(model: str, fields: dict[str, Any], error: type[PlatformError]) -> None:
    request = EmbeddingRequest(**{"model": "alias", "inputs": ("a",), **fields})
    async with HuggingFaceFake() as fake, running(fake.base_url) as integration:
        with pytest.raises(error):
            await everything(integration.embed, translated(request, model=model))


@pytest.mark.parametrize(
    "reply", [json_reply(b"[[0.1],[0.2]]"), json_reply(b"{}"), json_reply(b"oops"), json_reply(b"[0.1]")]
)
async def test_vectors_that_make_no_sense(reply: Reply) -> None:
    request = EmbeddingRequest(model="alias", inputs=("a",))
    async with ScriptedServer() as server:
        server.on("GET", "/v1/models", json_reply(b'{"data":[]}'))
        server.on("POST", f"/hf-inference/models/{EMBEDDER}/pipeline/feature-extraction", reply)
        async with running(server.url) as integration:
            with pytest.raises(ProviderProtocolError):
                await everything(integration.embed, translated(request, model=EMBEDDER))


def test_what_it_does_not_offer() -> None:
    integration = HuggingFaceHubIntegration(IntegrationConfig(name="hub", settings={"api_key": TOKEN}))
    assert not isinstance(integration, CompletionProvider | TokenCounter)
