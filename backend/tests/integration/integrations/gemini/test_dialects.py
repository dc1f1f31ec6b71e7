"""Gemini behind the dialects' own SDKs: what a caller sees, and that signed calls come back through its hands."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, BadRequestError

from app.integrations.model_platforms.gemini import GeminiIntegration
from tests.rest.gateway import gateway
from tests.servers.gemini_answers import ANSWER, THOUGHT, THOUGHT_TOKENS
from tests.servers.gemini_fake import GeminiFake

MODEL = "gemini-3.5-flash"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
async def openai(gemini: GeminiIntegration) -> AsyncIterator[Any]:
    async with (
        gateway(gemini) as served,  # type: ignore[arg-type]
        AsyncOpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


@pytest.fixture
async def anthropic(gemini: GeminiIntegration) -> AsyncIterator[Any]:
    async with (
        gateway(gemini) as served,  # type: ignore[arg-type]
        AsyncAnthropic(base_url=f"http://127.0.0.1:{served.port}", api_key="none", max_retries=0) as client,
    ):
        yield client


OPENAI_TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": CITY}},
    {"type": "function", "function": {"name": "now"}},
]
ANTHROPIC_TOOLS = [
    {"name": "weather", "input_schema": CITY},
    {"name": "yesterday", "input_schema": {"type": "object"}},
]


async def test_openai_whole_and_streamed(openai: Any) -> None:
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "What is a pod?"}]}
    whole = await openai.chat.completions.create(**asked)
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (ANSWER, "stop")
    assert whole.usage.completion_tokens_details.reasoning_tokens == THOUGHT_TOKENS
    stream = await openai.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == ANSWER
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


@pytest.mark.parametrize("stream", [False, True])
async def test_openai_calls_tools_over_two_turns(openai: Any, fake: GeminiFake, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "Weather?"}]
    for turn in range(2):
        calls = await _openai_calls(openai, messages, stream)
        assert [call["function"]["name"] for call in calls] == ["weather", "now"]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": "fine"} for call in calls]
        answer = await openai.chat.completions.create(model=MODEL, messages=messages, tools=OPENAI_TOOLS)
        assert answer.choices[0].message.content == ANSWER
        assert len(fake.script.signatures) == turn + 1
        messages += [{"role": "assistant", "content": ANSWER}, {"role": "user", "content": "And now?"}]
    assert _signed(fake) == 2


async def _openai_calls(openai: Any, messages: list[Any], stream: bool) -> list[dict[str, Any]]:
    asked = {"model": MODEL, "messages": messages, "tools": OPENAI_TOOLS}
    if not stream:
        answer = await openai.chat.completions.create(**asked)
        assert answer.choices[0].finish_reason == "tool_calls"
        return [call.model_dump() for call in answer.choices[0].message.tool_calls]
    calls: dict[int, dict[str, Any]] = {}
    async for chunk in await openai.chat.completions.create(**asked, stream=True):
        for delta in chunk.choices[0].delta.tool_calls or []:
            call = calls.setdefault(delta.index, {"type": "function", "function": {"name": "", "arguments": ""}})
            call["id"] = delta.id or call["id"]
            call["function"]["name"] += delta.function.name or ""
            call["function"]["arguments"] += delta.function.arguments or ""
    return list(calls.values())


def _signed(fake: GeminiFake) -> int:
    """Calls of the last request that carried what Gemini gave out, and no dummy."""
    parts = [part for content in fake.requests[-1][1]["contents"] for part in content["parts"]]
    signatures = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
    assert "skip_thought_signature_validator" not in signatures
    return len(signatures)


@pytest.mark.parametrize("stream", [False, True])
async def test_anthropic_calls_tools_over_two_turns(anthropic: Any, fake: GeminiFake, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "Weather?"}]
    for turn in range(2):
        asked = {"model": MODEL, "max_tokens": 99, "messages": messages, "tools": ANTHROPIC_TOOLS}
        if stream:
            async with anthropic.messages.stream(**asked) as streamed:
                answer = await streamed.get_final_message()
        else:
            answer = await anthropic.messages.create(**asked)
        assert answer.stop_reason == "tool_use"
        assert [block.name for block in answer.content] == ["weather", "yesterday"]
        messages.append({"role": "assistant", "content": [block.model_dump() for block in answer.content]})
        results = [{"type": "tool_result", "tool_use_id": block.id, "content": "fine"} for block in answer.content]
        messages.append({"role": "user", "content": [*results, {"type": "text", "text": "Go on."}]})
        answer = await anthropic.messages.create(**asked)
        assert answer.content[0].text == ANSWER
        assert len(fake.script.signatures) == turn + 1
        messages += [{"role": "assistant", "content": ANSWER}, {"role": "user", "content": "And now?"}]
    assert _signed(fake) == 2


async def test_anthropic_thinks_counts_and_sees(anthropic: Any, fake: GeminiFake) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    messages = [{"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]}]
    answer = await anthropic.messages.create(
        model=MODEL,
        max_tokens=9999,
        messages=messages,
        thinking={"type": "enabled", "budget_tokens": 2048},
    )
    thinking, text = answer.content
    assert (thinking.thinking, text.text) == (THOUGHT, ANSWER)
    parts = fake.requests[-1][1]["contents"][0]["parts"]
    assert parts[0] == {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    counted = await anthropic.messages.count_tokens(model=MODEL, messages=messages)
    assert counted.input_tokens == 4


async def test_openai_reasons_by_a_schema(openai: Any) -> None:
    answer = await openai.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Where?"}],
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "place", "schema": CITY}},
    )
    message = answer.choices[0].message
    assert (message.content, message.reasoning_content) == ('{"city": "pod"}', THOUGHT)


async def test_openai_embeds(openai: Any) -> None:
    answer = await openai.embeddings.create(model="gemini-embedding-001", input=["one", "two words"], dimensions=2)
    assert [each.embedding for each in answer.data] == [[1.0, 2.0], [2.0, 3.0]]


async def test_openai_responses_call_tools_over_two_turns(openai: Any, fake: GeminiFake) -> None:
    tools = [{"type": "function", "name": "weather", "parameters": CITY, "strict": False}]
    asked: list[Any] = [{"role": "user", "content": "Weather?"}]
    first = await openai.responses.create(model=MODEL, input=asked, tools=tools, store=False)
    (call,) = (item for item in first.output if item.type == "function_call")
    asked += [
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
        {"type": "function_call_output", "call_id": call.call_id, "output": "fine"},
    ]
    second = await openai.responses.create(model=MODEL, input=asked, tools=tools, store=False)
    assert second.output_text == ANSWER
    assert len(call.id) <= 64
    assert _signed(fake) == 1


async def test_openai_sees_what_is_wrong(openai: Any, fake: GeminiFake) -> None:
    fake.blocked = "SAFETY"
    with pytest.raises(BadRequestError) as caught:
        await openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "content_policy_violation"
