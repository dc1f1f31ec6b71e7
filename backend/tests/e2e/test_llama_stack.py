"""A whole platform before a Llama Stack server of either generation, asked by the official OpenAI client."""

from pathlib import Path

import pytest
from openai import AsyncOpenAI

from tests.servers.asking import MESSAGES, becomes, chat, model_names, status_of
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


async def test_a_provider_of_the_stack_that_fails_takes_its_models_along(tmp_path: Path) -> None:
    async with LlamaStackFake(CURRENT) as stack:
        (tmp_path / "llm-platform.yaml").write_text(
            "integrations:\n"
            f"  llama_stack: {{health_check_interval: 0.1, settings: {{base_url: '{stack.base_url}'}}}}\n"
        )
        async with platform_process(tmp_path) as platform:

            async def offered() -> bool:
                return CHAT in await model_names(platform.port)

            async def away() -> bool:
                return not await offered()

            async def degraded() -> bool:
                status = await status_of(platform.port, "llama_stack")
                return status["state"] == "degraded" and "ollama" in status["reason"]

            await becomes(offered)
            stack.providers[0].health = {"status": "Error", "message": "connection refused"}
            await becomes(away)
            assert "vllm/big" in await model_names(platform.port)
            await becomes(degraded)
            assert (await chat(platform.port, CHAT)).status == 503
            stack.providers[0].health = {"status": "OK"}
            await becomes(offered)
            assert (await chat(platform.port, CHAT)).status == 200
