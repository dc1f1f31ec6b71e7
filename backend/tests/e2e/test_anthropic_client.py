"""The official Anthropic client against the running platform, over every kind of upstream.

None of them speaks its format, so every answer here is a translated one. And a coding agent's conversation, by
ANTHROPIC_BASE_URL alone.
"""

import asyncio
import json
import reprlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
import pytest_asyncio
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import ToolParam, ToolUseBlock

from tests.e2e.conftest import KEY
from tests.e2e.features import ANSWER
from tests.servers.platform_process import PlatformProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHATTING = ["demo", "peer/platform-demo", "ollama/chat"]
QUESTION: list[Any] = [{"role": "user", "content": "What is a pod?"}]
ASKED: dict[str, Any] = {"max_tokens": 60, "messages": QUESTION, "extra_body": {"temperature": 0}}
TOOL: ToolParam = {
    "name": "get_pods",
    "description": "Lists pods.",
    "input_schema": {
        "type": "object",
        "properties": {"namespace": {"type": "string", "enum": ["default", "kube-system"]}},
        "required": ["namespace"],
    },
}
TURNS = json.loads((Path(__file__).parents[1] / "wire" / "data" / "coding_agent_turns.json").read_text("utf-8"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def claude(platform: PlatformProcess) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=platform.url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", CHATTING)
async def test_a_message(claude: AsyncAnthropic, model: str) -> None:
    message = await claude.messages.create(model=model, **ASKED)
    assert [(block.type, getattr(block, "text", None)) for block in message.content] == [("text", ANSWER)]
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    usage = message.usage
    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) > 3
    assert usage.output_tokens > 10
    assert message._request_id


@pytest.mark.parametrize("model", CHATTING)
async def test_the_stream_helper(claude: AsyncAnthropic, model: str) -> None:
    async with claude.messages.stream(model=model, **ASKED) as stream:
        texts = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert len(texts) > 3
    assert "".join(texts) == await stream.get_final_text() == ANSWER
    whole = await claude.messages.create(model=model, **ASKED)
    assert (final.stop_reason, final.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)


@pytest.mark.parametrize("model", CHATTING)
async def test_raw_events_and_a_limit(claude: AsyncAnthropic, model: str) -> None:
    stream = await claude.messages.create(model=model, stream=True, **{**ASKED, "max_tokens": 3})
    events = [event async for event in stream]
    kinds = [event.type for event in events]
    deltas = kinds.count("content_block_delta")
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * deltas,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    ended = events[-2]
    assert ended.type == "message_delta"
    assert ended.delta.stop_reason == "max_tokens"
    assert ended.usage.output_tokens == 3


@pytest.mark.parametrize("model", CHATTING)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool(claude: AsyncAnthropic, model: str, stream: bool) -> None:
    asked: dict[str, Any] = {**ASKED, "max_tokens": 200, "tools": [TOOL]}
    if model != "ollama/chat":  # Ollama has no way to force a call.
        asked["tool_choice"] = {"type": "any"}
    if stream:
        async with claude.messages.stream(model=model, **asked) as under_way:
            message = await under_way.get_final_message()
    else:
        message = await claude.messages.create(model=model, **asked)
    calls = [block for block in message.content if isinstance(block, ToolUseBlock)]
    if model == "ollama/chat" and not calls:
        return
    assert message.stop_reason == "tool_use"
    assert calls[0].name == "get_pods"
    assert calls[0].input["namespace"] in ("default", "kube-system")
    result = {"type": "tool_result", "tool_use_id": calls[0].id, "content": [{"type": "text", "text": "web-1"}]}
    turns = [*QUESTION, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    after = await claude.messages.create(model=model, max_tokens=20, messages=turns, tools=[TOOL])
    assert after.content


async def test_a_stop_sequence(claude: AsyncAnthropic) -> None:
    message = await claude.messages.create(model="demo", stop_sequences=["containers"], **ASKED)
    assert message.content[0].type == "text"
    assert message.content[0].text == ANSWER.partition("containers")[0]


@pytest.mark.parametrize("model", CHATTING)
async def test_the_client_that_is_not_async_with_a_bearer_token(platform: PlatformProcess, model: str) -> None:
    def ask() -> None:
        with Anthropic(base_url=platform.url, auth_token=KEY, api_key=None, max_retries=0) as client:
            message = client.messages.create(model=model, system="Be brief.", **ASKED)
            assert message.content
            with client.messages.stream(model=model, **ASKED) as stream:
                assert "".join(stream.text_stream) == ANSWER
            count = client.messages.count_tokens(model=model, messages=QUESTION, system="Be brief.", tools=[TOOL])
            assert 10 < count.input_tokens < 200

    await asyncio.to_thread(ask)


async def test_counting_says_how(claude: AsyncAnthropic) -> None:
    raw = await claude.messages.with_raw_response.count_tokens(model="demo", messages=QUESTION)
    assert raw.headers["x-llm-token-count"] in ("exact", "estimated")
    counted = (await raw.parse()).input_tokens
    usage = (await claude.messages.create(model="demo", **ASKED)).usage
    used = usage.input_tokens + (usage.cache_read_input_tokens or 0)
    assert counted == used or (raw.headers["x-llm-token-count"] == "estimated" and counted < 5 * used)


async def test_models(claude: AsyncAnthropic) -> None:
    listed = [model async for model in claude.models.list(limit=2)]
    assert {"demo", "smart"} <= {model.id for model in listed}
    assert len({model.id for model in listed}) == len(listed)
    demo = await claude.models.retrieve("demo")
    assert (demo.type, demo.id, demo.lifecycle) == ("model", "demo", "active")
    assert demo.max_input_tokens == 1024


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("asked", "error", "kind"),
    [
        ({"model": "nobody"}, anthropic.NotFoundError, "not_found_error"),
        ({"extra_body": {"temperature": "hot"}}, anthropic.BadRequestError, "invalid_request_error"),
        ({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
        ({"model": "down/away"}, anthropic.OverloadedError, "overloaded_error"),
        (
            {"tools": [{"type": "web_search_20260318", "name": "x"}]},
            anthropic.BadRequestError,
            "invalid_request_error",
        ),
        *(
            (
                {"model": model, "messages": [{"role": "user", "content": "pod " * 5000}]},
                anthropic.BadRequestError,
                "",
            )
            for model in CHATTING
        ),
    ],
    ids=reprlib.repr,
)
async def test_an_error_by_class(
    claude: AsyncAnthropic, asked: dict[str, Any], error: type[anthropic.APIStatusError], kind: str, stream: bool
) -> None:
    with pytest.raises(error) as caught:
        await claude.messages.create(**{"model": "demo", **ASKED, **asked}, stream=stream)
    assert type(caught.value) is error
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["request_id"] == caught.value.request_id == caught.value.response.headers["request-id"]
    if kind:
        assert body["error"]["type"] == kind
    else:
        assert body["error"]["message"].startswith("prompt is too long")


async def test_a_wrong_key(platform: PlatformProcess) -> None:
    async with AsyncAnthropic(base_url=platform.url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            await client.messages.create(model="demo", **ASKED)
        with pytest.raises(anthropic.AuthenticationError):
            await client.models.list()


@pytest.mark.parametrize("model", CHATTING)
async def test_a_coding_agents_conversation(
    platform: PlatformProcess, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """As such agents ask: the beta API, streaming, a base URL and a key from the environment and nothing else."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", platform.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    read = []
    async with AsyncAnthropic(max_retries=0) as agent:
        for turn in TURNS:
            asked = {**turn, "model": model, "max_tokens": 20, "extra_body": {"temperature": 0}}
            del asked["stream"]
            async with agent.beta.messages.stream(**asked, betas=["interleaved-thinking-2025-05-14"]) as stream:
                message = await stream.get_final_message()
            assert message.content
            assert message.stop_reason in ("end_turn", "max_tokens", "tool_use")
            read.append((message.usage.cache_read_input_tokens or 0, message.usage.input_tokens))
    if model == "demo":
        # What was read in one turn is not read again in the next.
        for before, (cached, _) in zip(map(sum, read), read[1:], strict=False):
            assert cached > 0.8 * before
