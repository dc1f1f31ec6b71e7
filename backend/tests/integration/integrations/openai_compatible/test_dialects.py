"""What goes to vendors that answer a part of OpenAI's fields with an error: nothing that they refuse."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from app.domain.chat import Message, ReasoningPart, Sampling, TextPart
from app.domain.embeddings import EmbeddingRequest
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from tests.integration.integrations.openai_compatible.provider import (
    as_json,
    everything,
    hello,
    passed_on,
    running,
    translated,
)
from tests.servers.scripted import ScriptedServer, json_reply

ANSWER = json_reply(
    b'{"id":"c","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"content":"a"}}]}'
)
GIVEN_BACK = Message(role="assistant", content=(ReasoningPart(text="hm"), TextPart(text="a")))
SAID = {"role": "assistant", "content": "a"}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


async def sent(server: ScriptedServer, kind: str, body: dict[str, object]) -> dict[str, object]:
    """What arrives of `body`, a chat that came in OpenAI's own format."""
    path = f"{CATALOGUE[kind].prefix}/chat/completions"
    server.on("POST", path, ANSWER)
    async with running(server, kind, models=["m"], discover=False) as integration:
        await everything(integration.chat, passed_on(msgspec.json.encode(body)))
    found: dict[str, object] = as_json(server.requests_to(path)[-1].body)
    return found


@pytest.mark.parametrize(
    ("kind", "given", "arrives"),
    [
        ("mistral", {"max_completion_tokens": 5, "seed": 7}, {"max_tokens": 5, "random_seed": 7}),
        ("mistral", {"user": "u", "stream_options": {"include_usage": True}, "store": False, "n": 2}, {"n": 2}),
        ("cerebras", {"logit_bias": {"1": 2}, "presence_penalty": 0, "top_p": 1}, {"top_p": 1}),
        ("cohere", {"n": 1, "store": True, "metadata": {}, "seed": 3}, {"seed": 3}),
        ("groq", {"logprobs": True, "seed": 3}, {"seed": 3}),
        ("deepseek", {"logprobs": True}, {"logprobs": True}),
    ],
)
async def test_fields_of_a_request(
    server: ScriptedServer, kind: str, given: dict[str, object], arrives: dict[str, object]
) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert await sent(server, kind, {**asked, **given}) == {**asked, **arrives}


async def test_fields_of_a_message(server: ScriptedServer) -> None:
    message = {**SAID, "refusal": None, "annotations": [], "reasoning_content": "hm", "name": "x"}
    assert (await sent(server, "mistral", {"model": "m", "messages": [message]}))["messages"] == [SAID]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("deepseek", {**SAID, "reasoning_content": "hm"}),
        ("moonshot", {**SAID, "reasoning_content": "hm"}),
        ("zai", {**SAID, "reasoning_content": "hm"}),
        ("mistral", SAID),
        ("cerebras", SAID),
        ("xai", SAID),
        ("openai", SAID),
    ],
)
async def test_thinking_goes_back_to_those_who_take_it(
    server: ScriptedServer, kind: str, message: dict[str, str]
) -> None:
    path = f"{CATALOGUE[kind].prefix}/chat/completions"
    server.on("POST", path, ANSWER)
    async with running(server, kind, models=["m"], discover=False) as integration:
        await everything(integration.chat, translated(hello(messages=(GIVEN_BACK,))))
    assert as_json(server.received[-1].body)["messages"] == [message]


@pytest.mark.parametrize(
    ("kind", "role", "limit"),
    [
        ("openai", "developer", "max_completion_tokens"),
        ("azure_openai", "developer", "max_completion_tokens"),
        ("xai", "system", "max_completion_tokens"),
        ("cerebras", "system", "max_completion_tokens"),
        ("mistral", "system", "max_tokens"),
        ("vllm", "system", "max_tokens"),
        ("together", "system", "max_tokens"),
    ],
)
async def test_the_words_for_a_role_and_a_limit(server: ScriptedServer, kind: str, role: str, limit: str) -> None:
    server.on("POST", f"{CATALOGUE[kind].prefix}/chat/completions", ANSWER)
    told = Message(role="developer", content=(TextPart(text="be brief"),))
    asked = hello(messages=(told,), sampling=Sampling(max_output_tokens=5))
    async with running(server, kind, models=["m"], discover=False) as integration:
        await everything(integration.chat, translated(asked))
    arrived = as_json(server.received[-1].body)
    assert (arrived["messages"][0]["role"], arrived[limit]) == (role, 5)


async def test_a_length_of_embeddings_by_another_name(server: ScriptedServer) -> None:
    answer = b'{"object":"list","model":"m","data":[{"index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":1}}'
    server.on("POST", "/v1/embeddings", json_reply(answer))
    asked = EmbeddingRequest(model="m", inputs=("a",), dimensions=1)
    async with running(server, "mistral") as integration:
        await everything(integration.embed, translated(asked))
    arrived = as_json(server.received[-1].body)
    assert (arrived["output_dimension"], "dimensions" in arrived) == (1, False)
