import asyncio
from typing import Any

import msgspec
import pytest

from app.domain.chat import ToolCall
from app.domain.errors import ContextLengthExceeded, InvalidRequest, ModelNotFound, UnsupportedFeature
from app.domain.events import Opaque, UsageReported
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from tests.integration.integrations.local_models.asking import (
    ENDLESS,
    answered,
    asked,
    chat_exchange,
    custom_models,
    events,
    foreign_exchange,
    streamed,
    text,
)

SCHEMA = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
TOOL = {
    "type": "function",
    "function": {"name": "get_pods", "parameters": {"type": "object", "properties": {"all": {"type": "boolean"}}}},
}


async def test_whole_and_streamed_answers_are_equal(custom: CustomModelsIntegration) -> None:
    whole = await answered(custom, asked())
    pieces = await streamed(custom, asked())
    assert "pod" in text(whole).lower()
    assert text(whole) == text(pieces)
    assert whole.choices[0].finish_reason == pieces.choices[0].finish_reason
    assert whole.usage is not None
    assert pieces.usage is not None
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (
        pieces.usage.input_tokens,
        pieces.usage.output_tokens,
    )


async def test_a_question_in_another_format_is_answered_in_events(custom: CustomModelsIntegration) -> None:
    found = await events(await custom.chat(foreign_exchange(asked(stream=True))))
    assert not any(isinstance(event, Opaque) for event in found)
    assert "".join(getattr(event, "text", "") for event in found) == text(await answered(custom, asked()))
    assert isinstance(found[-1], UsageReported)


@pytest.mark.parametrize("wanted", [True, False])
async def test_frames_are_those_of_an_openai_server(custom: CustomModelsIntegration, wanted: bool) -> None:
    fields = asked(stream=True, stream_options={"include_usage": wanted})
    found = await events(await custom.chat(chat_exchange(fields)))
    assert [type(event) for event in found[-2:]] == [UsageReported, Opaque]
    frames = b"".join(event.data for event in found if isinstance(event, Opaque)).split(b"\n\n")
    assert frames[-2:] == [b"data: [DONE]", b""]
    chunks = [msgspec.json.decode(frame.removeprefix(b"data: ")) for frame in frames[:-2]]
    assert {chunk["model"] for chunk in chunks} == {"demo"}
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [wanted]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert not any("prompt_progress" in chunk for chunk in chunks)


async def test_several_answers_to_one_question(custom: CustomModelsIntegration) -> None:
    one = await answered(custom, asked())
    for result in (await answered(custom, asked(n=3)), await streamed(custom, asked(n=3))):
        assert [text(result, index) for index in range(3)] == [text(one)] * 3
        assert result.usage is not None
        assert one.usage is not None
        assert result.usage.input_tokens == one.usage.input_tokens
        assert result.usage.output_tokens == 3 * one.usage.output_tokens


async def test_more_answers_than_slots_are_refused(custom: CustomModelsIntegration) -> None:
    with pytest.raises(InvalidRequest, match="between 1 <= value <= 4") as caught:
        await custom.chat(chat_exchange(asked(n=5)))
    assert caught.value.param == "n"


async def test_a_schema_is_kept_to(custom: CustomModelsIntegration) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    result = await answered(custom, asked(response_format=wanted, max_tokens=200))
    assert isinstance(msgspec.json.decode(text(result))["yes"], bool)


async def test_a_required_tool_is_called(custom: CustomModelsIntegration) -> None:
    fields = asked(tools=[TOOL], tool_choice="required", max_tokens=200)
    for result in (await answered(custom, fields), await streamed(custom, fields)):
        calls = [part for part in result.choices[0].message.content if isinstance(part, ToolCall)]
        assert [call.name for call in calls[:1]] == ["get_pods"]
        assert isinstance(msgspec.json.decode(calls[0].arguments), dict)
        assert result.choices[0].finish_reason == "tool_calls"


async def test_log_probabilities(custom: CustomModelsIntegration) -> None:
    result = await answered(custom, asked(logprobs=True, top_logprobs=2, max_tokens=3))
    logs = result.choices[0].logprobs
    assert len(logs) == 3
    assert all(entry.logprob <= 0 and len(entry.top) == 2 for entry in logs)


async def test_stop_words_end_the_answer(custom: CustomModelsIntegration) -> None:
    whole = text(await answered(custom, asked()))
    word = whole.split()[3]
    assert text(await answered(custom, asked(stop=[word]))) == whole[: whole.index(word)]


async def test_a_seed_repeats_an_answer(custom: CustomModelsIntegration) -> None:
    first, again = [text(await answered(custom, asked(temperature=1.5, seed=7))) for _ in range(2)]
    assert first == again


async def test_an_answer_ends_where_the_context_does(custom: CustomModelsIntegration) -> None:
    result = await answered(custom, asked(max_tokens=100_000, **ENDLESS))
    assert result.choices[0].finish_reason == "length"
    assert result.usage is not None
    assert result.usage.total_tokens <= 1024 + 1


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("most", [2**31, 2**32 + 5, 2**63, 10**30])
async def test_no_number_is_too_large_for_the_most_of_an_answer(
    custom: CustomModelsIntegration, name: str, most: int
) -> None:
    fields = asked()
    del fields["max_tokens"]
    assert text(await answered(custom, fields | {name: most})) == text(await answered(custom, fields))


@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_beyond_the_context_is_refused(custom: CustomModelsIntegration, stream: bool) -> None:
    with pytest.raises(ContextLengthExceeded, match=r"holds 1024 tokens, and the prompt has \d{4}"):
        await custom.chat(chat_exchange(asked("pod " * 3000, stream=stream)))


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({}, InvalidRequest, "'messages' is required"),
        ({"messages": "hello"}, InvalidRequest, "'messages'"),
        (asked(temperature="hot"), InvalidRequest, "must be number"),
        (asked(n=2**32 + 1), InvalidRequest, "'n'"),
        (asked(response_format={"type": "json_schema", "json_schema": {"schema": {"type": "odd"}}}), None, "odd"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            UnsupportedFeature,
            "reads text only",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused(
    custom: CustomModelsIntegration, fields: dict[str, Any], kind: type[InvalidRequest] | None, message: str
) -> None:
    with pytest.raises(kind or InvalidRequest, match=message) as caught:
        await custom.chat(chat_exchange(fields))
    assert "json.exception" not in caught.value.message
    assert "/" not in caught.value.message


async def test_an_unknown_model_is_not_found(custom: CustomModelsIntegration) -> None:
    with pytest.raises(ModelNotFound):
        await custom.chat(chat_exchange(asked(), model="../demo"))


async def test_more_requests_than_slots_are_all_answered() -> None:
    questions = ["What is a pod?", "What is a service?", "What is a node?", "What is Grafana?"] * 4
    async with custom_models(slots=4) as custom:
        assert {model.slots for model in custom.models()} == {4}  # so that the router's queue is a fair one
        expected = {question: text(await answered(custom, asked(question))) for question in set(questions)}
        found = await asyncio.gather(*(answered(custom, asked(question)) for question in questions))
    assert len(set(expected.values())) == 4
    assert [text(result) for result in found] == [expected[question] for question in questions]


async def test_the_event_loop_goes_on_while_models_work(custom: CustomModelsIntegration) -> None:
    await custom.load("demo")
    ticks, working = 0, True

    async def tick() -> None:
        nonlocal ticks
        while working:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    results = await asyncio.gather(*(answered(custom, asked(max_tokens=200, **ENDLESS)) for _ in range(4)))
    working = False
    await ticking
    assert all(result.usage and result.usage.output_tokens == 200 for result in results)
    assert ticks > 200
