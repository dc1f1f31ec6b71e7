"""A whole platform before Gemini, discovered by its key and asked by the official OpenAI client."""

from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from tests.servers.asking import MESSAGES, model_names, status_of
from tests.servers.gemini_answers import ANSWER
from tests.servers.gemini_fake import KEY, GeminiFake
from tests.servers.platform_process import platform_process

MODEL = "gemini-3.5-flash"
TOOLS: Any = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]


async def test_gemini_by_its_key_alone(tmp_path: Path) -> None:
    """Its address is another one here, since the tests call no cloud."""
    async with GeminiFake() as fake:
        (tmp_path / "llm-platform.yaml").write_text(
            f'integrations: {{gemini: {{settings: {{base_url: "{fake.base_url}"}}}}}}\n'
        )
        async with (
            platform_process(tmp_path, environment={"GEMINI_API_KEY": KEY}) as platform,
            AsyncOpenAI(base_url=f"{platform.url}/v1", api_key="none", max_retries=0) as client,
        ):
            assert {MODEL, "gemini-2.5-pro", "demo"} <= set(await model_names(platform.port))
            status = await status_of(platform.port, "gemini")
            assert status["state"] == "ready"
            stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)  # type: ignore[arg-type]
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == ANSWER
            await _calls_a_tool(client, f"gemini/{MODEL}")
            await _calls_a_tool(client, f"models/{MODEL}")
            vectors = await client.embeddings.create(model="gemini-embedding-001", input=["a", "b"])
            assert [len(each.embedding) for each in vectors.data] == [4, 4]
            assert KEY not in platform.banner + platform.log() + str(status)
    assert KEY not in "".join(path for path, _ in fake.heads)


async def _calls_a_tool(client: AsyncOpenAI, model: str) -> None:
    """The fake refuses a call that comes back without what it gave out."""
    messages: list[Any] = [*MESSAGES]
    answer = await client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
    (call,) = answer.choices[0].message.tool_calls or ()
    messages += [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "noon"}]
    answer = await client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
    assert answer.choices[0].message.content == ANSWER
