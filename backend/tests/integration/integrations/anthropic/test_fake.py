"""The Anthropic fake against the official client: what the client understands, the fake says as Anthropic does."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock

from tests.servers.anthropic_answers import TEXT, THOUGHT, Answer, call, text, thought
from tests.servers.anthropic_fake import KEY, AnthropicFake, Fault
from tests.servers.anthropic_models import FABLE, HAIKU, MODELS, OPUS, RETIRED, SONNET

HI: list[Any] = [{"role": "user", "content": "hi"}]
ASKED: dict[str, Any] = {"model": OPUS.id, "max_tokens": 100, "messages": HI}
TOOL: Any = {"name": "get_pods", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture
async def client(fake: AnthropicFake) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=fake.url, api_key=KEY, max_retries=0) as client:
        yield client


async def test_a_message(client: AsyncAnthropic) -> None:
    message = await client.messages.create(**ASKED)
    assert message.content == [TextBlock(type="text", text=TEXT)]
    assert (message.role, message.model, message.stop_reason) == ("assistant", OPUS.id, "end_turn")
    assert message.usage.input_tokens > 0
    assert message._request_id


async def test_a_streamed_message_is_the_whole_one(client: AsyncAnthropic, fake: AnthropicFake) -> None:
    answer = Answer([thought(), text(), call("get_pods", namespace="x")], "tool_use", usage={"output_tokens": 9})
    fake.answers = [answer, answer]
    asked = {**ASKED, "tools": [TOOL], "thinking": {"type": "adaptive"}}
    whole = await client.messages.create(**asked)
    async with client.messages.stream(**asked) as stream:
        kinds = [event.type async for event in stream]
        streamed = await stream.get_final_message()
    assert streamed.to_dict(exclude_none=True) == whole.to_dict(exclude_none=True)
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert [type(block) for block in whole.content] == [ThinkingBlock, TextBlock, ToolUseBlock]


async def test_the_events_stand_in_their_order(client: AsyncAnthropic, fake: AnthropicFake) -> None:
    async for _ in await client.messages.create(**ASKED, stream=True):
        pass
    frames = fake.written.decode().removesuffix("\n\n").split("\n\n")
    told = [
        (head.removeprefix("event: "), json.loads(data[6:])["type"]) for head, data in map(str.splitlines, frames)
    ]
    assert all(name == type for name, type in told)
    names = [name for name, _ in told]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(names[3:-3]) == {"content_block_delta"}


async def test_thinking_goes_back_with_its_signature_only(client: AsyncAnthropic) -> None:
    asked = {**ASKED, "thinking": {"type": "adaptive", "display": "summarized"}}
    message = await client.messages.create(**asked)
    assert isinstance(message.content[0], ThinkingBlock)
    assert message.content[0].thinking == THOUGHT
    turns = [*HI, message.to_param(), *HI]
    await client.messages.create(**{**asked, "messages": turns})
    forged = [*HI, {"role": "assistant", "content": [{**message.content[0].to_dict(), "signature": "x"}]}, *HI]
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        await client.messages.create(**{**asked, "messages": forged})


async def test_tokens_are_counted(client: AsyncAnthropic) -> None:
    few = await client.messages.count_tokens(model=OPUS.id, messages=HI)
    more = await client.messages.count_tokens(model=OPUS.id, messages=HI, system="Be brief.", tools=[TOOL])
    assert 0 < few.input_tokens < more.input_tokens
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Extra inputs"):
        await client.messages.count_tokens(model=OPUS.id, messages=HI, extra_body={"max_tokens": 1})


async def test_the_list_has_pages(client: AsyncAnthropic, fake: AnthropicFake) -> None:
    everything = [model async for model in client.models.list(limit=2)]
    assert [model.id for model in everything] == [model.id for model in MODELS]
    assert len(fake.asked("/v1/models")) == 4
    first = everything[0]
    assert (first.max_input_tokens, first.max_tokens) == (OPUS.max_input_tokens, OPUS.max_tokens)
    assert first.capabilities is not None
    assert first.capabilities.thinking.types.adaptive.supported
    assert not first.capabilities.thinking.types.enabled.supported
    backwards = [model async for model in client.models.list(limit=3, before_id=RETIRED.id)]
    assert {model.id for model in backwards} == {model.id for model in MODELS} - {RETIRED.id}


async def test_a_model_by_its_name_without_the_date(client: AsyncAnthropic) -> None:
    assert (await client.models.retrieve("claude-haiku-4-5")).id == HAIKU.id
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve(RETIRED.id)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": "claude-nope"}, "model: claude-nope"),
        ({"messages": []}, "at least one message"),
        ({"model": FABLE.id, "max_tokens": 20_000}, "maximum allowed number of output"),
        ({"extra_body": {"seed": 1}}, "seed: Extra inputs"),
        ({"extra_body": {"temperature": 1}}, "temperature: Extra inputs"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "not supported for this model"),
        ({"model": SONNET.id, "output_config": {"effort": "xhigh"}}, "effort level 'xhigh'"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "non-empty"),
        ({"model": SONNET.id, "messages": [*HI, {"role": "system", "content": "x"}]}, "role 'system'"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "additionalProp"),
    ],
    ids=str,
)
async def test_what_is_refused(client: AsyncAnthropic, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(anthropic.APIStatusError, match=words) as caught:
        await client.messages.create(**{**ASKED, **asked})
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["request_id"] == caught.value.request_id


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"Authorization": "Bearer wrong"}, anthropic.AuthenticationError),
        ({"anthropic-version": "2020-01-01"}, anthropic.BadRequestError),
    ],
)
async def test_who_is_let_in(client: AsyncAnthropic, headers: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        await client.messages.create(**ASKED, extra_headers=headers)


@pytest.mark.parametrize(
    ("status", "type", "error"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (402, "billing_error", anthropic.PaymentRequiredError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (413, "request_too_large", anthropic.ContentTooLargeError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (504, "timeout_error", anthropic.GatewayTimeoutError),
        (529, "overloaded_error", anthropic.OverloadedError),
    ],
)
@pytest.mark.parametrize("after", [None, 4])
async def test_errors_at_once_and_in_mid_stream(
    client: AsyncAnthropic, fake: AnthropicFake, status: int, type: str, error: type[Exception], after: int | None
) -> None:
    fake.faults = [Fault(status, type, after=after)]
    with pytest.raises(anthropic.APIError) as caught:
        async with client.messages.stream(**ASKED) as stream:
            await stream.get_final_message()
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["type"] == type
    if after is None:
        assert isinstance(caught.value, error)
