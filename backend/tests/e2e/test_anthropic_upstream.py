"""A whole platform before Anthropic's API, asked by the official clients of both dialects."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from tests.e2e.features import TOOL
from tests.servers.anthropic_answers import TEXT, THOUGHT, Answer, call, text, thought
from tests.servers.anthropic_fake import KEY, AnthropicFake, Fault
from tests.servers.anthropic_models import HAIKU, MODELS, OPUS, RETIRED, SONNET
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.raw_client import get, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

HI: list[Any] = [{"role": "user", "content": "hi"}]
OWN = "platform-key"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[AnthropicFake]:
    async with AnthropicFake() as fake:
        yield fake


@asynccontextmanager
async def before(upstream: AnthropicFake, folder: Path) -> AsyncIterator[PlatformProcess]:
    """The key is in the environment, which starts the integration; ANTHROPIC_BASE_URL there means nothing."""
    (folder / "llm-platform.yaml").write_text(
        f"integrations: {{anthropic: {{settings: {{base_url: '{upstream.url}'}}}}}}\n"
        f"models: {{smart: anthropic/{OPUS.id}}}\n"
    )
    environment = {
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:1",
        "LLM_PLATFORM_API_KEY": OWN,
    }
    async with platform_process(folder, environment=environment) as platform:
        yield platform
        assert await platform.stop() == 0
        assert "defect" not in platform.log()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(
    upstream: AnthropicFake, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PlatformProcess]:
    async with before(upstream, tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gpt(platform: PlatformProcess) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{platform.url}/v1", api_key=OWN, max_retries=0) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def claude(platform: PlatformProcess) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=platform.url, api_key=OWN, max_retries=0) as client:
        yield client


async def test_its_models(platform: PlatformProcess, gpt: AsyncOpenAI, claude: AsyncAnthropic) -> None:
    listed = {model.id for model in MODELS if model is not RETIRED}
    assert listed | {"smart", "demo"} == {model.id async for model in gpt.models.list()}
    found = await claude.models.retrieve("claude-haiku-4-5")
    assert (found.id, found.max_tokens, found.display_name) == (HAIKU.id, HAIKU.max_tokens, HAIKU.display_name)
    status = await get(platform.port, "/integrations/anthropic/status", {"Authorization": f"Bearer {OWN}"})
    assert status.json()["state"] == "ready"


@pytest.mark.parametrize("stream", [False, True])
async def test_anthropics_own_format_passes_through(
    platform: PlatformProcess, upstream: AnthropicFake, stream: bool
) -> None:
    body = {"model": "smart", "max_tokens": 50, "messages": HI, "stream": stream}
    headers = {"x-api-key": OWN, "anthropic-version": "2026-10-21", "anthropic-beta": "b-1"}
    reply = await post(platform.port, "/v1/messages", body, headers)
    assert reply.body == upstream.written
    asked = upstream.asked()[-1]
    assert asked.json() == {**body, "model": OPUS.id}
    assert (asked.headers["x-api-key"], asked.headers["anthropic-beta"]) == (KEY, "b-1")
    assert "authorization" not in asked.headers


async def test_the_anthropic_client(claude: AsyncAnthropic, upstream: AnthropicFake) -> None:
    tool: Any = {"name": "get_pods", "input_schema": {"type": "object", "properties": {}}}
    asked: dict[str, Any] = {
        "model": "smart",
        "max_tokens": 100,
        "tools": [tool],
        "thinking": {"type": "adaptive"},
    }
    upstream.answers = [Answer([thought(), call("get_pods")], "tool_use")]
    async with claude.messages.stream(messages=HI, **asked) as stream:
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": "toolu_01", "content": "web-1"}
    turns = [*HI, message.to_param(), {"role": "user", "content": [result]}]
    after = await claude.messages.create(messages=turns, **asked)
    assert after.content[-1].type == "text"
    raw = await claude.messages.with_raw_response.count_tokens(model="smart", messages=HI, tools=[tool])
    assert raw.headers["x-llm-token-count"] == "exact"
    assert (await raw.parse()).input_tokens > 0


@pytest.mark.parametrize("model", [OPUS.id, SONNET.id, "anthropic/claude-haiku-4-5"])
async def test_the_openai_client(gpt: AsyncOpenAI, model: str) -> None:
    whole = await gpt.chat.completions.create(model=model, messages=HI, temperature=0, top_p=0.5, seed=3)
    assert whole.choices[0].message.content == TEXT
    assert whole.usage is not None
    assert whole.usage.prompt_tokens > 0
    assert whole.created > 1_700_000_000
    asked: dict[str, Any] = {"model": model, "messages": HI, "reasoning_effort": "high", "stream": True}
    chunks = [chunk async for chunk in await gpt.chat.completions.create(**asked)]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == TEXT
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == THOUGHT


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_by_the_openai_client(gpt: AsyncOpenAI, upstream: AnthropicFake, stream: bool) -> None:
    upstream.answers = [Answer([call("get_pods", id=f"toolu_{n}", n=n) for n in (1, 2)], "tool_use")]
    asked: dict[str, Any] = {"model": SONNET.id, "messages": HI, "tools": [TOOL]}
    if stream:
        async with gpt.chat.completions.stream(**asked) as under_way:
            message = (await under_way.get_final_completion()).choices[0].message
    else:
        message = (await gpt.chat.completions.create(**asked)).choices[0].message
    assert [each.id for each in message.tool_calls or ()] == ["toolu_1", "toolu_2"]
    results = [{"role": "tool", "tool_call_id": f"toolu_{n}", "content": "web-1"} for n in (1, 2)]
    turns = [*HI, message.model_dump(exclude_none=True), *results]
    after = await gpt.chat.completions.create(**{**asked, "messages": turns})
    assert after.choices[0].message.content == TEXT


async def test_the_responses_api_keeps_the_thinking(gpt: AsyncOpenAI, upstream: AnthropicFake) -> None:
    asked: dict[str, Any] = {"model": "smart", "reasoning": {"effort": "low"}}
    first = await gpt.responses.create(input="hi", **asked)
    assert first.output_text == TEXT
    second = await gpt.responses.create(input="and now?", previous_response_id=first.id, **asked)
    assert second.output_text == TEXT
    answered = upstream.asked()[-1].json()["messages"][1]["content"]
    assert answered[0] == thought()
    assert answered[1] == text()


@pytest.mark.parametrize(
    ("fault", "of_openai", "of_anthropic"),
    [
        (
            Fault(400, "invalid_request_error", "max_tokens: too many"),
            openai.BadRequestError,
            anthropic.BadRequestError,
        ),
        (Fault(401, "authentication_error"), openai.InternalServerError, anthropic.InternalServerError),
        (Fault(429, "rate_limit_error"), openai.InternalServerError, anthropic.OverloadedError),
        (Fault(529, "overloaded_error"), openai.InternalServerError, anthropic.OverloadedError),
    ],
    ids=lambda value: value.type if isinstance(value, Fault) else "",
)
async def test_errors_by_class(
    tmp_path: Path,
    fault: Fault,
    of_openai: type[openai.APIStatusError],
    of_anthropic: type[anthropic.APIStatusError],
) -> None:
    """Each with a platform of its own: an upstream that fails again and again is left alone for a while."""
    async with (
        AnthropicFake() as upstream,
        before(upstream, tmp_path) as platform,
        AsyncOpenAI(base_url=f"{platform.url}/v1", api_key=OWN, max_retries=0) as gpt,
        AsyncAnthropic(base_url=platform.url, api_key=OWN, max_retries=0) as claude,
    ):
        upstream.faults = [fault] * 20
        with pytest.raises(openai.APIStatusError) as told:
            await gpt.chat.completions.create(model="smart", messages=HI)
        with pytest.raises(anthropic.APIStatusError) as told_too:
            await claude.messages.create(model="smart", max_tokens=9, messages=HI)
    assert isinstance(told.value, of_openai)
    assert isinstance(told_too.value, of_anthropic)
    assert "canary" not in f"{told.value} {told_too.value} {platform.log()}"


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
async def test_an_error_in_mid_stream_is_told(
    gpt: AsyncOpenAI, claude: AsyncAnthropic, upstream: AnthropicFake, dialect: str
) -> None:
    upstream.faults, gate = [Fault(529, "overloaded_error", after=6)], asyncio.Event()
    upstream.hold = (5, gate)
    stream: Any
    if dialect == "openai":
        stream = await gpt.chat.completions.create(model="smart", messages=HI, stream=True)
    else:
        stream = await claude.messages.create(model="smart", max_tokens=9, messages=HI, stream=True)
    assert await anext(stream)
    gate.set()
    with pytest.raises((openai.APIError, anthropic.APIError), match="not available"):
        async for _ in stream:
            pass
    upstream.hold = None


async def test_a_client_that_leaves_ends_the_upstreams_answer(
    claude: AsyncAnthropic, upstream: AnthropicFake
) -> None:
    upstream.hold = (5, asyncio.Event())
    stream = await claude.messages.create(model="smart", max_tokens=9, messages=HI, stream=True)
    async for _ in stream:
        break
    await stream.close()
    async with asyncio.timeout(0.5):
        assert await upstream.left.get() == "/v1/messages"
    upstream.hold = None
