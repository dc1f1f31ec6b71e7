"""The official client against the running platform: every feature of the dialect with every kind of upstream."""

import asyncio
import json
import time

import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI

from tests.e2e.conftest import KEY
from tests.e2e.features import (
    ANSWER,
    FEATURES,
    MESSAGES,
    TOOL,
    Fact,
    Feature,
    several_answers,
    several_streamed_answers,
)
from tests.servers.platform_process import PlatformProcess
from tests.servers.raw_client import post

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHATTING = ["demo", "peer/platform-demo", "ollama/chat"]
EMBEDDING = ["demo", "embedder/platform-demo", "ollama/embed"]
# Ollama writes one answer to a request, and a second one is not silently left out.
REFUSED = {("ollama/chat", several_answers), ("ollama/chat", several_streamed_answers)}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.__name__)
@pytest.mark.parametrize("model", CHATTING)
async def test_a_feature_with_a_model(client: AsyncOpenAI, model: str, feature: Feature) -> None:
    if (model, feature) in REFUSED:
        with pytest.raises(BadRequestError, match="n must be 1"):
            await feature(client, model)
    else:
        await feature(client, model)


@pytest.mark.parametrize("model", CHATTING)
async def test_the_client_that_is_not_async(plain_client: OpenAI, model: str) -> None:
    def ask() -> None:
        completions = plain_client.chat.completions
        answer = completions.create(model=model, messages=MESSAGES, temperature=0)
        assert answer.choices[0].message.content == ANSWER
        stream = completions.create(model=model, messages=MESSAGES, temperature=0, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == ANSWER
        called = completions.create(model=model, messages=MESSAGES, tools=[TOOL], tool_choice="required")
        assert called.choices[0].message.tool_calls
        parsed = completions.parse(model=model, messages=MESSAGES, response_format=Fact, temperature=0)
        assert isinstance(parsed.choices[0].message.parsed, Fact)

    await asyncio.to_thread(ask)


@pytest.mark.parametrize("model", EMBEDDING)
async def test_embeddings(client: AsyncOpenAI, plain_client: OpenAI, model: str) -> None:
    """The client asks for base64 unless it is told to ask for floats, and decodes both."""
    several = await client.embeddings.create(model=model, input=["pod", "node"])
    floats = await client.embeddings.create(model=model, input="pod", encoding_format="float")
    plain = await asyncio.to_thread(plain_client.embeddings.create, model=model, input="pod")
    assert [each.index for each in several.data] == [0, 1]
    assert several.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-5)
    assert several.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-5)
    assert several.data[0].embedding != pytest.approx(several.data[1].embedding, abs=1e-2)
    assert sum(value * value for value in floats.data[0].embedding) == pytest.approx(1.0, abs=1e-3)
    assert several.usage.prompt_tokens > 0


@pytest.mark.parametrize("model", EMBEDDING)
@pytest.mark.parametrize(("encoding", "kind"), [("base64", str), ("float", list)])
async def test_embeddings_on_the_wire(platform: PlatformProcess, model: str, encoding: str, kind: type) -> None:
    body = {"model": model, "input": "pod", "encoding_format": encoding}
    reply = await post(platform.port, "/v1/embeddings", body, {"Authorization": f"Bearer {KEY}"})
    assert reply.status == 200
    assert isinstance(reply.json()["data"][0]["embedding"], kind)


async def test_the_list_of_models(client: AsyncOpenAI, plain_client: OpenAI) -> None:
    models = {model.id: model async for model in await client.models.list()}
    assert {"demo", "platform-demo", "chat", "embed", "smart"} <= models.keys()
    assert all(model.object == "model" and model.owned_by for model in models.values())
    for name in ("demo", "smart", "ollama/chat", "publishers/any/models/demo"):
        assert (await client.models.retrieve(name)).id in {name, name.rpartition("/")[2]}
    assert {model.id for model in await asyncio.to_thread(lambda: list(plain_client.models.list()))} == set(models)


async def test_the_headers_of_an_answer(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="smart", messages=MESSAGES, max_tokens=3, extra_headers={"x-request-id": "mine-1"}
    )
    assert raw.headers["x-request-id"] == "mine-1"
    assert (raw.headers["x-llm-provider"], raw.headers["x-llm-attempts"]) == ("peer", "1")
    assert 0 <= float(raw.headers["x-llm-overhead-ms"]) <= float(raw.headers["openai-processing-ms"]) + 1
    assert raw.parse().choices[0].message.content
    async with client.chat.completions.with_streaming_response.create(
        model="smart", messages=MESSAGES, max_tokens=3, stream=True
    ) as streaming:
        assert streaming.headers["x-llm-provider"] == "peer"
        assert streaming.headers["content-type"].startswith("text/event-stream")
        assert [line async for line in streaming.iter_lines() if line][-1] == "data: [DONE]"


@pytest.mark.parametrize("model", CHATTING)
async def test_many_at_once_are_all_answered(client: AsyncOpenAI, model: str) -> None:
    """Eight times what the model has places for: the others wait their turn, and not for a connection."""
    began = time.monotonic()
    answers = await asyncio.gather(
        *(client.chat.completions.create(model=model, messages=MESSAGES, temperature=0) for _ in range(32))
    )
    assert time.monotonic() - began < 4.5  # a connection that idles there is closed after five
    assert {answer.choices[0].message.content for answer in answers} == {ANSWER}


async def test_same_format_bytes_are_handed_on_whatever_they_are(platform: PlatformProcess) -> None:
    """A field that nobody here knows reaches the server and changes its answer: llama.cpp's own `n_probs`."""
    body = {"model": "smart", "messages": MESSAGES, "max_tokens": 1, "n_probs": 3}
    reply = await post(platform.port, "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
    assert len(reply.json()["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 3
    assert json.loads(reply.body)["model"]
