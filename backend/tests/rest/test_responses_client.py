"""The official client against the whole platform and its real demo model: conversations, tools, what is stored."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.responses import ResponseFunctionToolCall
from pydantic import BaseModel

from app.bootstrap import Platform
from app.settings import load_settings
from tests.servers.serving import serving

QUESTION = "What is a pod?"


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncOpenAI]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    off = {f"front_ends.{name}": False for name in ("grpc", "graphql", "websocket")}
    platform = Platform(lambda: load_settings(None, {}, off))
    await platform.start()
    try:
        async with (
            serving(platform.app) as port,
            AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client,
        ):
            yield client
    finally:
        await platform.stop()


async def test_a_conversation(client: AsyncOpenAI) -> None:
    first = await client.responses.create(model="demo", input=QUESTION, instructions="Be short.", temperature=0)
    assert "containers" in first.output_text
    second = await client.responses.create(
        model="demo", input="What is a node?", temperature=0, previous_response_id=first.id
    )
    assert second.previous_response_id == first.id
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens // 2
    assert await client.responses.retrieve(second.id) == second
    items = await client.responses.input_items.list(second.id)
    assert len(items.data) == 1
    await client.responses.delete(first.id)
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(first.id)
    with pytest.raises(NotFoundError):
        await client.responses.delete(first.id)
    with pytest.raises(BadRequestError) as caught:
        await client.responses.create(model="demo", input="And?", previous_response_id=second.id)
    assert caught.value.code == "previous_response_not_found"


async def test_a_stream_says_what_is_stored(client: AsyncOpenAI) -> None:
    async with client.responses.stream(model="demo", input=QUESTION, temperature=0) as stream:
        text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
        final = await stream.get_final_response()
    assert final.output_text == text
    stored = await client.responses.retrieve(final.id)
    assert (stored.output_text, stored.usage, stored.status) == (text, final.usage, "completed")
    whole = await client.responses.create(model="demo", input=QUESTION, temperature=0)
    assert whole.output_text == text


async def test_nothing_is_stored_against_a_callers_will(client: AsyncOpenAI) -> None:
    answer = await client.responses.create(model="demo", input=QUESTION, store=False, max_output_tokens=4)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(answer.id)


async def test_a_loop_with_tools(client: AsyncOpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"ns": {"enum": ["a", "b"]}},
        "required": ["ns"],
        "additionalProperties": False,
    }
    asked = await client.responses.create(
        model="demo",
        input="List the pods.",
        tools=[{"type": "function", "name": "get_pods", "parameters": schema, "strict": True}],
        tool_choice="required",
        temperature=0,
    )
    calls = [item for item in asked.output if isinstance(item, ResponseFunctionToolCall)]
    assert [call.name for call in calls] == ["get_pods"]
    assert json.loads(calls[0].arguments)["ns"] in {"a", "b"}
    answered = await client.responses.create(
        model="demo",
        input=[{"type": "function_call_output", "call_id": calls[0].call_id, "output": "none"}],
        previous_response_id=asked.id,
        max_output_tokens=8,
    )
    assert answered.output_text


async def test_structured_output(client: AsyncOpenAI) -> None:
    class Answer(BaseModel):
        ok: bool

    parsed = await client.responses.parse(model="demo", input="Is it ok?", text_format=Answer)
    assert isinstance(parsed.output_parsed, Answer)


async def test_tokens_are_counted(client: AsyncOpenAI) -> None:
    first = await client.responses.create(model="demo", input=QUESTION, max_output_tokens=4)
    alone = await client.responses.input_tokens.count(model="demo", input=QUESTION)
    both = await client.responses.input_tokens.count(model="demo", input=QUESTION, previous_response_id=first.id)
    assert both.input_tokens > alone.input_tokens > 0


async def test_items_come_page_by_page(client: AsyncOpenAI) -> None:
    messages = [{"role": "user", "content": f"{number}"} for number in range(5)]
    answer = await client.responses.create(model="demo", input=messages, max_output_tokens=2)  # type: ignore[arg-type]
    page = await client.responses.input_items.list(answer.id, limit=2, order="asc")
    ids = [item.id async for item in page]
    assert len(ids) == len(set(ids)) == 5
    with pytest.raises(BadRequestError):
        await client.responses.input_items.list(answer.id, after="nothing")
    with pytest.raises(BadRequestError):
        await client.get(f"/responses/{answer.id}?stream=true", cast_to=object)
