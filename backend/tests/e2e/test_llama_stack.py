"""A whole platform before a Llama Stack server of either generation, asked by the official OpenAI client."""

from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.servers.asking import MESSAGES, status_of
from tests.servers.llama_stack_fake import CURRENT, EARLY, LlamaStackFake
from tests.servers.platform_process import platform_process

CHAT = "ollama/llama3.2:3b"


@pytest.mark.parametrize("version", [EARLY, CURRENT])
async def test_llama_stack_by_its_address_alone(tmp_path: Path, version: str) -> None:
    async with LlamaStackFake(version) as stack:
        environment = {"LLAMA_STACK_BASE_URL": stack.base_url}
        async with (
            platform_process(tmp_path, environment=environment) as platform,
            AsyncOpenAI(base_url=f"{platform.url}/v1", api_key="none") as client,
        ):
            names = {model.id async for model in client.models.list()}
            assert names == {"demo", CHAT, "vllm/big", "ollama/all-minilm"}
            assert (await status_of(platform.port, "llama_stack"))["state"] == "ready"
            whole = await client.chat.completions.create(model=CHAT, messages=MESSAGES)  # type: ignore[arg-type]
            assert whole.choices[0].message.content == stack.engine.answer
            stream = await client.chat.completions.create(
                model=f"llama_stack/{CHAT}",
                messages=MESSAGES,  # type: ignore[arg-type]
                stream=True,
            )
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
            assert "".join(pieces) == stack.engine.answer
            response = await client.responses.create(model=CHAT, input="What is a pod?")
            assert response.output_text == stack.engine.answer
            vectors = await client.embeddings.create(model="ollama/all-minilm", input=["a", "b"])
            assert [len(each.embedding) for each in vectors.data] == [4, 4]
