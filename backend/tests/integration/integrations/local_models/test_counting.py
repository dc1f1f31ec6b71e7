"""Counted by llama.cpp itself: what a real answer reports, and nothing is written for it."""

import asyncio
import time
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest

from app.domain.errors import InvalidRequest, ModelNotFound, UnsupportedFeature
from app.domain.ports import TokenCounter
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from tests.integration.integrations.local_models.asking import (
    ENDLESS,
    answered,
    asked,
    chat_exchange,
    custom_models,
    foreign_exchange,
    until,
)

TOOL = {
    "type": "function",
    "function": {"name": "get_pods", "parameters": {"type": "object", "properties": {"all": {"type": "boolean"}}}},
}
CALL = {"id": "1", "type": "function", "function": {"name": "get_pods", "arguments": '{"all": true}'}}
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Which pods are there? Größe 🐳"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "web-1"},
    {"role": "user", "content": "And nodes?"},
]


@pytest.mark.parametrize(
    "fields",
    [
        asked(),
        asked("pod " * 900),
        asked("1"),
        asked(n=3),
        asked(stream=True),
        asked(tools=[TOOL]),
        asked(tools=[TOOL], tool_choice="required"),
        asked(tools=[TOOL], tool_choice="none"),
        asked(response_format={"type": "json_object"}),
        {**asked(tools=[TOOL]), "messages": TURNS},
        {**asked(), "messages": [*TURNS[:2], {"role": "assistant", "content": "The"}]},
    ],
    ids=lambda fields: ",".join(f"{key}={str(value)[:20]}" for key, value in fields.items()),
)
async def test_the_count_is_that_of_an_answer(custom: CustomModelsIntegration, fields: dict[str, Any]) -> None:
    exact = await custom.count_tokens(chat_exchange(fields))
    assert await custom.count_tokens(foreign_exchange(fields)) == exact
    result = await answered(custom, {**fields, "max_tokens": 1, "stream": False})
    assert result.usage is not None
    assert result.usage.input_tokens == exact


async def test_a_prompt_too_long_for_an_answer_is_counted(custom: CustomModelsIntegration) -> None:
    counts = [await custom.count_tokens(chat_exchange(asked("pod " * times))) for times in (100, 3000, 3100)]
    assert counts[1] > 3000
    assert counts[2] - counts[1] == 100


async def test_nothing_is_written() -> None:
    async with custom_models(slots=1) as custom:
        fields = asked(max_tokens=1_000_000, **ENDLESS)
        await custom.count_tokens(chat_exchange(fields))
        # An answer would go on to the end of the context.
        ended = time.monotonic()
        await until(lambda: not custom._residency.running())
        between = time.monotonic() - ended
        await answered(custom, {**fields, "max_tokens": 900})
        assert between < 0.5 * (time.monotonic() - ended - between)


async def test_counting_leaves_conversations_in_memory() -> None:
    async with custom_models(slots=2) as custom:
        conversation = asked("pod " * 600, max_tokens=1)
        first = await answered(custom, conversation)
        await asyncio.gather(*(custom.count_tokens(chat_exchange(asked(f"{i} node" * 99))) for i in range(12)))
        for i in range(4):
            await custom.count_tokens(chat_exchange(asked(f"{i} service " * 99)))
            await until(lambda: not custom._residency.running())
        again = await answered(custom, conversation)
        assert first.usage is not None
        assert again.usage is not None
        assert (first.usage.cached_tokens, again.usage.cached_tokens) == (0, first.usage.input_tokens - 1)


async def test_counting_goes_on_beside_answers() -> None:
    async with custom_models(slots=2) as custom:
        stream = await custom.chat(chat_exchange(asked(max_tokens=900, stream=True, **ENDLESS)))
        async with aclosing(stream):
            await anext(aiter(stream))
            for _ in range(3):
                assert await custom.count_tokens(chat_exchange(asked()))
            assert custom._residency.running()


async def test_many_counts_at_once(custom: CustomModelsIntegration) -> None:
    asking = [chat_exchange(asked("pod " * times)) for times in range(1, 25)]
    counts = await asyncio.gather(*map(custom.count_tokens, asking))
    assert [later - earlier for earlier, later in pairwise(counts)] == [1] * 23


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, InvalidRequest),
        ({"messages": "hello"}, InvalidRequest),
        (asked(temperature="hot"), InvalidRequest),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            UnsupportedFeature,
        ),
    ],
)
async def test_what_would_not_be_answered_is_not_counted(
    custom: CustomModelsIntegration, fields: dict[str, Any], kind: type[InvalidRequest]
) -> None:
    with pytest.raises(kind):
        await custom.count_tokens(chat_exchange(fields))


async def test_it_is_known_to_count(custom: CustomModelsIntegration) -> None:
    assert isinstance(custom, TokenCounter)
    with pytest.raises(ModelNotFound):
        await custom.count_tokens(chat_exchange(asked(), model="none"))
