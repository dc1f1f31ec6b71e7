"""The fake is what it claims to be: Hugging Face's own client, and OpenAI's, read all that it says."""

from collections.abc import AsyncIterator

import pytest
from huggingface_hub import AsyncInferenceClient
from openai import AsyncOpenAI

from tests.servers.huggingface_fake import DEEPSEEK, EMBEDDER, TOKEN, HuggingFaceFake

MESSAGES = [{"role": "user", "content": "What is a pod?"}]


@pytest.fixture
async def fake() -> AsyncIterator[HuggingFaceFake]:
    async with HuggingFaceFake() as fake:
        yield fake


async def test_its_own_client_chats(fake: HuggingFaceFake) -> None:
    async with AsyncInferenceClient(base_url=f"{fake.base_url}/v1", api_key=TOKEN) as client:
        whole = await client.chat_completion(MESSAGES, model=f"{DEEPSEEK}:cheapest")
        stream = await client.chat_completion(MESSAGES, model=DEEPSEEK, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert whole.choices[0].message.content == "".join(pieces) == fake.engine.answer


async def test_its_own_client_embeds(fake: HuggingFaceFake) -> None:
    url = f"{fake.base_url}/hf-inference/models/{EMBEDDER}/pipeline/feature-extraction"
    async with AsyncInferenceClient(provider="hf-inference", api_key=TOKEN) as client:
        assert (await client.feature_extraction("a", model=url)).shape == (4,)
        assert (await client.feature_extraction(["a", "b"], model=url)).shape == (2, 4)


async def test_openais_client_lists_and_chats(fake: HuggingFaceFake) -> None:
    async with AsyncOpenAI(base_url=f"{fake.base_url}/v1", api_key=TOKEN) as client:
        assert DEEPSEEK in {model.id async for model in client.models.list()}
        answer = await client.chat.completions.create(model=DEEPSEEK, messages=MESSAGES)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == fake.engine.answer
