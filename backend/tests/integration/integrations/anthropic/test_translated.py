"""Requests that came in another format: made fit for the model, put into Anthropic's format, the answers read."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.domain.chat import (
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    ResponseFormat,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from app.domain.errors import (
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.domain.events import Finished, Started, StreamEvent, UsageReported
from app.domain.exchange import Exchange
from app.domain.streams import Collector
from app.wire.openai_chat import request as openai_chat
from tests.integration.integrations.anthropic.provider import asked, hello, passed_on, running, sent, translated
from tests.servers.anthropic_answers import TEXT, THOUGHT, Answer, call, text, thought
from tests.servers.anthropic_fake import AnthropicFake, Fault
from tests.servers.anthropic_models import FABLE, HAIKU, OLD, OPUS, PREVIEW, SONNET
from tests.servers.chaos import Trouble, chaos_proxy
from tests.servers.scripted import Reply, ScriptedServer, json_reply

GET_PODS = Tool(name="get_pods", parameters={"type": "object", "properties": {"namespace": {"type": "string"}}})


def folded(events: list[StreamEvent]) -> Any:
    collector = Collector()
    for event in events:
        collector.add(event)  # type: ignore[arg-type]
    return collector.result()


def parts(events: list[StreamEvent]) -> tuple[Part, ...]:
    content: tuple[Part, ...] = folded(events).choices[0].message.content
    return content


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer(fake: AnthropicFake, stream: bool) -> None:
    fake.answers = [Answer([text()], usage={"cache_read_input_tokens": 40, "input_tokens": 2, "output_tokens": 9})]
    async with running(fake.url) as integration:
        events = await asked(integration, translated(hello(), stream=stream))
    started, ended, told = events[0], events[-2], events[-1]
    assert isinstance(started, Started)
    assert (started.id, started.model) == ("msg_01", SONNET.id)
    assert abs(started.created - time.time()) < 60
    assert ended == Finished(reason="stop")
    assert isinstance(told, UsageReported)
    usage = told.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (42, 40, 9)
    assert parts(events) == (TextPart(text=TEXT),)
    assert sent(fake).get("stream", False) is stream
    assert sent(fake)["model"] == SONNET.id


@pytest.mark.parametrize("stream", [False, True])
async def test_parallel_calls_and_their_results(fake: AnthropicFake, stream: bool) -> None:
    calls = [call("get_pods", id=f"toolu_{n}", namespace=f"n{n}") for n in (1, 2)]
    fake.answers = [Answer([text("I look."), *calls], "tool_use")]
    async with running(fake.url) as integration:
        question = hello(tools=(GET_PODS,), tool_choice=ToolChoice(mode="required"), parallel_tool_calls=True)
        events = await asked(integration, translated(question, stream=stream))
        assert sent(fake)["tool_choice"] == {"type": "any", "disable_parallel_tool_use": False}
        answer = folded(events).choices[0]
        assert answer.finish_reason == "tool_calls"
        assert [part.arguments for part in answer.message.content if isinstance(part, ToolCall)] == [
            '{"namespace": "n1"}' if stream else '{"namespace":"n1"}',
            '{"namespace": "n2"}' if stream else '{"namespace":"n2"}',
        ]
        results = tuple(
            Message(role="tool", content=(ToolResult(call_id=f"toolu_{n}", content=(TextPart(text="web"),)),))
            for n in (1, 2)
        )
        after = ChatRequest(
            model="alias", messages=(*question.messages, answer.message, *results), tools=(GET_PODS,)
        )
        events = await asked(integration, translated(after, stream=stream))
    assert parts(events) == (TextPart(text=TEXT),)
    assert [block["type"] for block in sent(fake)["messages"][-1]["content"]] == ["tool_result"] * 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", [OPUS, FABLE, SONNET, HAIKU])
async def test_thinking_comes_and_goes_back_with_its_signature(
    fake: AnthropicFake, stream: bool, model: Any
) -> None:
    async with running(fake.url) as integration:
        question = hello(reasoning_effort="medium", tools=(GET_PODS,))
        fake.answers = [Answer([thought(), call("get_pods")], "tool_use")]
        events = await asked(integration, translated(question, stream=stream, model=model.id))
        thinking, called = parts(events)
        assert isinstance(thinking, ReasoningPart)
        assert thinking.text == THOUGHT
        assert thinking.signature
        result = Message(role="tool", content=(ToolResult(call_id="toolu_01", content=(TextPart(text="web"),)),))
        answered = Message(role="assistant", content=(thinking, called))
        again = hello(*question.messages, answered, result, reasoning_effort="medium", tools=(GET_PODS,))
        events = await asked(integration, translated(again, stream=stream, model=model.id))
    assert [type(part) for part in parts(events)] == [ReasoningPart, TextPart]
    assert sent(fake)["messages"][1]["content"][0]["signature"] == thinking.signature


HARD: list[tuple[str, dict[str, Any]]] = [
    ("knobs", {"sampling": Sampling(temperature=0.2, top_p=0.9, top_k=4, seed=1, stop=("\n",))}),
    (
        "an effort and a forced call",
        {"reasoning_effort": "max", "tools": (GET_PODS,), "tool_choice": ToolChoice(mode="required")},
    ),
    (
        "an effort and little room",
        {"reasoning_effort": "high", "sampling": Sampling(max_output_tokens=300, temperature=0)},
    ),
    ("no effort", {"reasoning_effort": "none"}),
    (
        "a strict tool",
        {"tools": (Tool(name="f", strict=True, parameters={"type": "object", "maxProperties": 1}),)},
    ),
]


@pytest.mark.parametrize("asked_for", [fields for _, fields in HARD], ids=[name for name, _ in HARD])
@pytest.mark.parametrize("model", [OPUS, FABLE, PREVIEW, SONNET, HAIKU, OLD], ids=lambda model: model.id)
async def test_whatever_is_asked_each_model_takes_it(
    fake: AnthropicFake, model: Any, asked_for: dict[str, Any]
) -> None:
    """The fake refuses what Anthropic does; the call of an earlier turn came from another vendor's model."""
    earlier = (
        Message(role="user", content=(TextPart(text="hi"),)),
        Message(
            role="assistant", content=(ReasoningPart(text="hm"), ToolCall(id="f:0", name="f", arguments="{}"))
        ),
        Message(role="tool", content=(ToolResult(call_id="f:0"),)),
        Message(role="assistant", content=(TextPart(text=""),)),
        Message(role="developer", content=(TextPart(text="Be brief."),)),
    )
    async with running(fake.url) as integration:
        events = await asked(integration, translated(hello(*earlier, **asked_for), model=model.id))
    assert parts(events)


async def test_what_was_left_out_is_told(fake: AnthropicFake) -> None:
    exchange = translated(hello(sampling=Sampling(temperature=0.0, seed=1)), model=OPUS.id)
    async with running(fake.url) as integration:
        await asked(integration, exchange)
    assert sorted(exchange.dropped) == ["seed", "temperature"]


async def test_images_and_documents(fake: AnthropicFake) -> None:
    shown = (
        ImagePart(url="https://host/x.png"),
        ImagePart(data="AAAA", media_type="image/webp"),
        FilePart(data="JVBERg==", media_type="application/pdf", filename="a.pdf"),
        FilePart(data="aGk=", media_type="text/plain"),
    )
    async with running(fake.url) as integration:
        await asked(integration, translated(hello(Message(role="user", content=shown))))
    blocks = sent(fake)["messages"][0]["content"]
    assert [(block["type"], block.get("source", {}).get("type")) for block in blocks] == [
        ("image", "url"),
        ("image", "base64"),
        ("document", "base64"),
        ("document", "text"),
        ("text", None),
    ]


async def test_an_answer_by_a_schema(fake: AnthropicFake) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "minLength": 1}}}
    form = ResponseFormat(kind="json_schema", name="fact", schema=schema)
    async with running(fake.url) as integration:
        events = await asked(integration, translated(hello(response_format=form)))
        with pytest.raises(UnsupportedFeature):
            await asked(integration, translated(hello(response_format=form), model=OLD.id))
    assert parts(events) == (TextPart(text='{"name":"pod"}'),)


@pytest.mark.parametrize(
    ("model", "settings", "limit"),
    [
        (SONNET.id, {}, SONNET.max_tokens),
        ("claude-haiku-4-5", {}, HAIKU.max_tokens),
        (SONNET.id, {"discover": False}, 8192),
        (SONNET.id, {"discover": False, "max_tokens": 77}, 77),
    ],
)
async def test_the_limit_where_the_caller_set_none(
    fake: AnthropicFake, model: str, settings: dict[str, Any], limit: int
) -> None:
    async with running(fake.url, **settings) as integration:
        await asked(integration, translated(hello(), model=model))
        assert sent(fake)["max_tokens"] == limit
        await asked(integration, translated(hello(sampling=Sampling(max_output_tokens=5)), model=model))
        assert sent(fake)["max_tokens"] == 5


@pytest.mark.parametrize("settings", [{"version": "2026-10-21"}, {"cache_prompts": True}])
async def test_how_the_platform_asks_is_a_setting(fake: AnthropicFake, settings: dict[str, Any]) -> None:
    async with running(fake.url, **settings) as integration:
        await asked(integration, translated(hello(sampling=Sampling(temperature=0.3))))
    assert ("temperature" in sent(fake)) is ("version" not in settings)
    assert ("cache_control" in sent(fake)) is ("cache_prompts" in settings)
    assert fake.asked()[-1].headers["anthropic-version"] == settings.get("version", "2023-06-01")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("max_tokens", "length"),
        ("stop_sequence", "stop"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("model_context_window_exceeded", "length"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_why_an_answer_ended(fake: AnthropicFake, word: str, reason: str, stream: bool) -> None:
    fake.answers = [Answer([text()], word)]
    async with running(fake.url) as integration:
        events = await asked(integration, translated(hello(), stream=stream))
    assert [event.reason for event in events if isinstance(event, Finished)] == [reason]


async def test_errors_in_mid_stream_and_missing_ends(fake: AnthropicFake) -> None:
    fake.faults = [Fault(429, "rate_limit_error", after=4)]
    async with running(fake.url) as integration:
        with pytest.raises(UpstreamRateLimited):
            await asked(integration, translated(hello(), stream=True))
    async with (
        chaos_proxy(fake.port, Trouble(end="fin", after=1500)) as proxy,
        running(proxy.url, discover=False) as integration,
    ):
        with pytest.raises(UpstreamUnavailable):
            await asked(integration, translated(hello(), stream=True))


def from_openai(body: bytes) -> Exchange[ChatRequest]:
    return translated(openai_chat.decode(body))


OPENAI = (
    b'{"model":"alias","temperature":0,"max_tokens":9,"stream":true,"user":"u","reasoning_effort":"low",'
    b'"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]}'
)


@pytest.mark.parametrize("exchange", [lambda: from_openai(OPENAI), passed_on], ids=["translated", "passed on"])
async def test_tokens_are_counted(fake: AnthropicFake, exchange: Callable[[], Exchange[ChatRequest]]) -> None:
    async with running(fake.url) as integration:
        assert await integration.count_tokens(exchange()) > 0
    (request,) = fake.asked("/v1/messages/count_tokens")
    assert "max_tokens" not in request.json()


async def test_a_server_that_does_not_count() -> None:
    async with AnthropicFake(counts=False) as fake, running(fake.url) as integration:
        with pytest.raises(UnsupportedFeature):
            await integration.count_tokens(passed_on())


async def test_a_count_is_not_waited_for_as_an_answer_is() -> None:
    async with ScriptedServer() as server:
        server.on("POST", "/v1/messages/count_tokens", Reply(hold=asyncio.Event()))
        async with running(server.url, discover=False, timeout=0.05) as integration:
            async with asyncio.timeout(5):
                with pytest.raises(UpstreamTimeout):
                    await integration.count_tokens(passed_on())


async def test_a_count_that_makes_no_sense() -> None:
    async with ScriptedServer() as server:
        server.on("POST", "/v1/messages/count_tokens", json_reply(b'{"tokens":3}'), json_reply(b"<html>"))
        async with running(server.url, discover=False) as integration:
            for _ in range(2):
                with pytest.raises(ProviderProtocolError, match="'up' did not count"):
                    await integration.count_tokens(passed_on())
