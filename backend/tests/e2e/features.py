"""What the OpenAI API can do, each as a question to a model and a check of the answer."""

import json
from collections.abc import Awaitable, Callable

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

Feature = Callable[[AsyncOpenAI, str], Awaitable[None]]

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is a pod?"}]
ANSWER = "A pod is one or more containers that live together on a node. They share an address and volumes."
"""What the demo model says to that, whoever runs it."""

TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_pods",
        "parameters": {
            "type": "object",
            "properties": {"namespace": {"type": "string", "enum": ["default", "kube-system"]}},
            "required": ["namespace"],
        },
    },
}


class Fact(BaseModel):
    name: str
    size: int


async def whole(client: AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.create(model=model, messages=MESSAGES, temperature=0)
    choice, usage = answer.choices[0], answer.usage
    assert (answer.object, choice.index, choice.finish_reason) == ("chat.completion", 0, "stop")
    assert (choice.message.role, choice.message.content) == ("assistant", ANSWER)
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 20


async def streamed(client: AsyncOpenAI, model: str) -> None:
    stream = await client.chat.completions.create(model=model, messages=MESSAGES, temperature=0, stream=True)
    chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(texts) == ANSWER
    assert sum(1 for text in texts if text) > 5
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert all(chunk.usage is None for chunk in chunks)


async def usage_in_a_stream(client: AsyncOpenAI, model: str) -> None:
    stream = await client.chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=5, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5
    assert chunks[-1].usage.prompt_tokens > 5


async def a_tool_that_must_be_called(client: AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.create(
        model=model, messages=MESSAGES, tools=[TOOL], tool_choice="required", temperature=0
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.choices[0].message.tool_calls is not None
    (call,) = answer.choices[0].message.tool_calls
    assert call.type == "function"
    assert call.id
    assert call.function.name == "get_pods"
    assert json.loads(call.function.arguments)["namespace"] in {"default", "kube-system"}


async def a_tool_call_in_fragments(client: AsyncOpenAI, model: str) -> None:
    async with client.chat.completions.stream(
        model=model, messages=MESSAGES, tools=[TOOL], tool_choice="required", temperature=0
    ) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    assert final.choices[0].message.tool_calls is not None
    (call,) = final.choices[0].message.tool_calls
    assert call.function.name == "get_pods"
    assert json.loads(call.function.arguments)["namespace"] in {"default", "kube-system"}


async def the_result_of_a_tool(client: AsyncOpenAI, model: str) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_pods", "arguments": "{}"}}
    turns = [
        *MESSAGES,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "web-0"},
    ]
    answer = await client.chat.completions.create(model=model, messages=turns, tools=[TOOL], max_tokens=5)  # type: ignore[arg-type]
    assert answer.choices[0].message.content
    assert not answer.choices[0].message.tool_calls


async def a_parsed_answer(client: AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.parse(
        model=model, messages=MESSAGES, response_format=Fact, temperature=0
    )
    assert isinstance(answer.choices[0].message.parsed, Fact)


async def logprobs(client: AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.create(
        model=model, messages=MESSAGES, logprobs=True, top_logprobs=2, max_tokens=3, temperature=0
    )
    told = answer.choices[0].logprobs
    assert told is not None
    assert "".join(each.token for each in told.content or ()) == answer.choices[0].message.content
    assert all(each.logprob <= 0 for each in told.content or ())


async def several_answers(client: AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.create(model=model, messages=MESSAGES, n=2, max_tokens=3)
    assert sorted(choice.index for choice in answer.choices) == [0, 1]
    assert all(choice.message.content for choice in answer.choices)


async def several_streamed_answers(client: AsyncOpenAI, model: str) -> None:
    stream = await client.chat.completions.create(
        model=model, messages=MESSAGES, n=2, max_tokens=3, temperature=0, stream=True
    )
    texts = {0: "", 1: ""}
    async for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == {0: "A pod is", 1: "A pod is"}


async def a_stop_sequence(client: AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.create(model=model, messages=MESSAGES, stop=[" is"], temperature=0)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("A pod", "stop")


async def a_seed(client: AsyncOpenAI, model: str) -> None:
    """One seed gives one answer, and not every seed the same."""

    async def ask(seed: int) -> str:
        answer = await client.completions.create(
            model=model, prompt="zebra", seed=seed, temperature=2.0, top_p=1.0, max_tokens=20
        )
        return answer.choices[0].text

    assert await ask(7) == await ask(7)
    assert len({await ask(seed) for seed in range(5)}) > 1


async def both_names_of_the_token_limit(client: AsyncOpenAI, model: str) -> None:
    create = client.chat.completions.create
    for answer in (
        await create(model=model, messages=MESSAGES, max_tokens=3),
        await create(model=model, messages=MESSAGES, max_completion_tokens=3),
    ):
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 3


async def a_text_completion(client: AsyncOpenAI, model: str) -> None:
    answer = await client.completions.create(model=model, prompt="A pod is", max_tokens=6, temperature=0)
    stream = await client.completions.create(
        model=model, prompt="A pod is", max_tokens=6, temperature=0, stream=True
    )
    texts = [choice.text async for chunk in stream for choice in chunk.choices]
    assert (answer.object, answer.choices[0].finish_reason) == ("text_completion", "length")
    assert "".join(texts) == answer.choices[0].text != ""
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 6


FEATURES: list[Feature] = [
    whole,
    streamed,
    usage_in_a_stream,
    a_tool_that_must_be_called,
    a_tool_call_in_fragments,
    the_result_of_a_tool,
    a_parsed_answer,
    logprobs,
    several_answers,
    several_streamed_answers,
    a_stop_sequence,
    a_seed,
    both_names_of_the_token_limit,
    a_text_completion,
]
