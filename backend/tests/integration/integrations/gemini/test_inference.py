"""Chat, embeddings and counting through the real transport."""

import asyncio
from typing import Any

import pytest

from app.domain.chat import Message, ResponseFormat, Sampling, TextPart, Tool, ToolCall, ToolResult
from app.domain.embeddings import EmbeddingResult
from app.domain.events import Finished, ReasoningDelta, Started, UsageReported
from app.domain.streams import collect
from app.integrations.model_platforms.gemini import GeminiIntegration
from tests.integration.integrations.gemini.asking import chat, embedding
from tests.integration.integrations.gemini.conftest import Start
from tests.integration.ollama.asking import read, text_of
from tests.servers.gemini_answers import ANSWER, THOUGHT, THOUGHT_TOKENS
from tests.servers.gemini_fake import KEY, FakeModel, GeminiFake

both = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


@both
async def test_chat(gemini: GeminiIntegration, fake: GeminiFake, stream: bool) -> None:
    exchange = chat(stream=stream, sampling=Sampling(temperature=0.0, logit_bias={"1": 2.0}))
    events = await read(await gemini.chat(exchange))
    assert isinstance(events[0], Started)
    assert (events[0].id, events[0].model) == ("mAitaLmkHPPlz7IPvtfU1", "gemini-3.5-flash-001")
    assert events[0].created > 1_700_000_000
    assert text_of(events) == ANSWER
    assert events[-2] == Finished(reason="stop")
    assert isinstance(events[-1], UsageReported)
    usage = events[-1].usage
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (
        5,
        8 + THOUGHT_TOKENS,
        THOUGHT_TOKENS,
    )
    assert exchange.dropped == ["logit_bias"]
    (body,) = fake.asked("streamGenerateContent" if stream else "generateContent")
    assert body["generationConfig"] == {"temperature": 0.0}
    path, headers = fake.heads[-1]
    assert headers["x-goog-api-key"] == KEY
    assert KEY not in path
    assert len([event for event in events if not isinstance(event, Started)]) == (10 if stream else 3)


@both
async def test_thoughts(gemini: GeminiIntegration, stream: bool) -> None:
    events = await read(await gemini.chat(chat(stream=stream, reasoning_effort="low")))
    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == THOUGHT
    assert text_of(events) == ANSWER


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128, "includeThoughts": False}),
        ("gemini-2.0-flash", "high", None),
    ],
)
async def test_an_effort_that_is_not_met_is_told(
    gemini: GeminiIntegration, fake: GeminiFake, model: str, effort: str, sent: Any
) -> None:
    exchange = chat(model=model, reasoning_effort=effort)
    assert text_of(await read(await gemini.chat(exchange))) == ANSWER
    assert fake.asked("streamGenerateContent")[-1].get("generationConfig", {}).get("thinkingConfig") == sent
    assert exchange.dropped == ["reasoning_effort"]


async def test_the_list_of_models_says_who_thinks(start: Start, fake: GeminiFake) -> None:
    """Where the name does not."""
    fake.models = (FakeModel("gemini-flash-latest", thinking=True),)
    await read(await (await start()).chat(chat(model="gemini-flash-latest", reasoning_effort="low")))
    (body,) = fake.asked("streamGenerateContent")
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 1024, "includeThoughts": True}


@both
async def test_a_schema_and_several_answers(gemini: GeminiIntegration, stream: bool) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    exchange = chat(
        stream=stream,
        response_format=ResponseFormat(kind="json_schema", schema=schema),
        sampling=Sampling(n=2, logprobs=True, top_logprobs=1),
    )
    result = await collect(await gemini.chat(exchange))
    assert [choice.message.content for choice in result.choices] == [(TextPart(text='{"n": 7}'),)] * 2
    assert all(choice.logprobs[0].top for choice in result.choices)


TOOLS = (
    Tool(name="weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}}),
    Tool(name="now"),
)


def results(calls: list[ToolCall]) -> Message:
    return Message(
        role="tool",
        content=tuple(ToolResult(call_id=call.id, content=(TextPart(text="fine"),)) for call in calls),
    )


@both
@pytest.mark.parametrize("ids", [True, False], ids=["its ids", "our ids"])
async def test_signed_calls_survive_two_turns(
    gemini: GeminiIntegration, fake: GeminiFake, stream: bool, ids: bool
) -> None:
    fake.script.ids = ids
    asked: tuple[Message, ...] = (Message(role="user", content=(TextPart(text="Weather?"),)),)
    for turn in range(2):
        result = await collect(await gemini.chat(chat(stream=stream, messages=asked, tools=TOOLS)))
        (choice,) = result.choices
        calls = [part for part in choice.message.content if isinstance(part, ToolCall)]
        assert choice.finish_reason == "tool_calls"
        assert [(call.name, call.arguments) for call in calls] == [("weather", '{"city":"pod"}'), ("now", "{}")]
        assert len({call.id for call in calls}) == 2
        asked = (*asked, choice.message, results(calls))
        answer = await collect(await gemini.chat(chat(stream=stream, messages=asked, tools=TOOLS)))
        assert answer.choices[0].message.content == (TextPart(text=ANSWER),)
        assert len(fake.script.signatures) == turn + 1
        asked = (*asked, answer.choices[0].message, Message(role="user", content=(TextPart(text="And now?"),)))


async def test_a_history_of_another_model_is_taken(gemini: GeminiIntegration) -> None:
    calls = [ToolCall(id=f"toolu_{at}", name="now", arguments="{}") for at in range(2)]
    asked = (
        Message(role="user", content=(TextPart(text="Now?"),)),
        Message(role="assistant", content=tuple(calls)),
        results(calls),
    )
    assert text_of(await read(await gemini.chat(chat(messages=asked, tools=TOOLS)))) == ANSWER


async def test_embeddings_in_lots(gemini: GeminiIntegration, fake: GeminiFake) -> None:
    (event,) = await read(await gemini.embed(embedding(*["one"] * 100, "two words", dimensions=2)))
    assert isinstance(event, EmbeddingResult)
    assert event.vectors == ((1.0, 2.0),) * 100 + ((2.0, 3.0),)
    assert event.model == "gemini-embedding-001"
    assert [len(body["requests"]) for body in fake.asked("batchEmbedContents")] == [100, 1]


async def test_counting(gemini: GeminiIntegration) -> None:
    assert await gemini.count_tokens(chat("one two three", tools=TOOLS)) == 5


async def test_many_answers_at_once_do_not_cross(gemini: GeminiIntegration) -> None:
    async def ask(nonce: int) -> str:
        schema = {"type": "object", "properties": {f"n{nonce}": {"type": "integer"}}}
        wanted = ResponseFormat(kind="json_schema", schema=schema)
        return text_of(await read(await gemini.chat(chat(response_format=wanted))))

    answers = await asyncio.gather(*(ask(nonce) for nonce in range(50)))
    assert answers == [f'{{"n{nonce}": 7}}' for nonce in range(50)]
