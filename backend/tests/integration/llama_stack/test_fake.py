"""The fake is what it claims to be: the vendor's own client reads all that it says, and so does OpenAI's."""

from collections.abc import AsyncIterator

import pytest
from llama_stack_client import AsyncLlamaStackClient, NotFoundError
from openai import AsyncOpenAI

from tests.servers.llama_stack_fake import CURRENT, EARLY, LlamaStackFake, StackProvider

MESSAGES = [{"role": "user", "content": "What is a pod?"}]
CHAT = "ollama/llama3.2:3b"


@pytest.fixture(params=[EARLY, CURRENT])
async def fake(request: pytest.FixtureRequest) -> AsyncIterator[LlamaStackFake]:
    async with LlamaStackFake(request.param) as fake:
        yield fake


def stack(fake: LlamaStackFake, *, strict: bool = True) -> AsyncLlamaStackClient:
    return AsyncLlamaStackClient(base_url=fake.base_url, _strict_response_validation=strict)


def openai(fake: LlamaStackFake) -> AsyncOpenAI:
    url = fake.base_url + fake.api
    return AsyncOpenAI(base_url=url, api_key="none")


async def test_what_both_generations_tell_of_themselves(fake: LlamaStackFake) -> None:
    fake.providers.append(StackProvider("groq", health={"status": "Error", "message": "down"}))
    async with stack(fake) as client:
        assert (await client.inspect.version()).version == fake.version
        assert (await client.inspect.health()).status == "OK"
        providers = await client.providers.list()
    assert {each.provider_id: each.health["status"] for each in providers} == {
        "ollama": "OK",
        "vllm": "OK",
        "faiss": "Not Implemented",
        "groq": "Error",
    }


async def test_models_of_an_early_server() -> None:
    async with LlamaStackFake(EARLY) as fake, stack(fake) as client:
        models = await client.models.list()
    assert [(each.identifier, each.api_model_type, each.provider_id) for each in models] == [
        (CHAT, "llm", "ollama"),
        ("vllm/big", "llm", "vllm"),
        ("ollama/all-minilm", "embedding", "ollama"),
    ]
    assert models[0].provider_resource_id == "llama3.2:3b"


async def test_models_of_a_current_server() -> None:
    async with LlamaStackFake(CURRENT) as fake, openai(fake) as client:
        models = [model async for model in client.models.list()]
    assert [model.id for model in models] == [CHAT, "vllm/big", "ollama/all-minilm"]
    assert models[0].to_dict()["custom_metadata"] == {
        "model_type": "llm",
        "provider_id": "ollama",
        "provider_resource_id": "llama3.2:3b",
    }


async def test_an_early_server_is_asked_by_the_vendors_client() -> None:
    """Not strictly: the real server streams `finish_reason: null`, which this client's schema knows nothing of."""
    async with LlamaStackFake(EARLY) as fake, stack(fake, strict=False) as client:
        stream = await client.chat.completions.create(model=CHAT, messages=MESSAGES, stream=True)  # type: ignore[call-overload]
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]
        vectors = await client.embeddings.create(model="ollama/all-minilm", input=["a", "b"])
        with pytest.raises(NotFoundError):
            await client.chat.completions.create(model="other", messages=MESSAGES)  # type: ignore[call-overload]
    assert "".join(said) == fake.engine.answer
    assert len(vectors.data) == 2


async def test_both_are_asked_by_openais_client(fake: LlamaStackFake) -> None:
    async with openai(fake) as client:
        chat = await client.chat.completions.create(model=CHAT, messages=MESSAGES)  # type: ignore[arg-type]
        vectors = await client.embeddings.create(model="ollama/all-minilm", input=["a"], encoding_format="float")
        response = await client.responses.create(model=CHAT, input="What is a pod?")
        text = await client.completions.create(model=CHAT, prompt="A pod", max_tokens=2)
    assert chat.choices[0].message.content == fake.engine.answer
    assert len(vectors.data[0].embedding) == 4
    assert response.output_text == fake.engine.answer
    assert (text.choices[0].text, text.choices[0].finish_reason) == ("A pod", "length")
