"""Requests that came in another format: put into OpenAI's here, and the answers read."""

from collections.abc import AsyncIterator

import pytest

from app.domain.chat import CompletionRequest, Sampling, Tool
from app.domain.embeddings import EmbeddingRequest, EmbeddingResult
from app.domain.errors import ProviderProtocolError, UnsupportedFeature, UpstreamRateLimited
from app.domain.events import Finished, Started, TextDelta, ToolCallDelta, ToolCallStarted, UsageReported
from app.domain.usage import Usage
from tests.integration.integrations.openai_compatible.provider import (
    CHAT,
    as_json,
    everything,
    hello,
    running,
    translated,
)
from tests.servers.scripted import ScriptedServer, json_reply, sse_reply

FIGURES = b'"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'
USED = UsageReported(usage=Usage(input_tokens=3, output_tokens=2))
CHAT_FRAMES = (
    b'data: {"id":"c","created":7,"model":"m","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n',
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"b"}}]}\n\n',
    b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"id":"c","choices":[],' + FIGURES + b"}\n\n",
    b"data: [DONE]\n\n",
)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


async def test_what_a_cloud_has_no_place_for_is_told(server: ScriptedServer) -> None:
    server.on("POST", CHAT, sse_reply(*CHAT_FRAMES))
    exchange = translated(hello(sampling=Sampling(top_k=3, temperature=0.5)), stream=True)
    async with running(server, "groq") as integration:
        await everything(integration.chat, exchange)
    assert exchange.dropped == ["top_k"]


async def test_a_stream(server: ScriptedServer) -> None:
    server.on("POST", CHAT, sse_reply(*CHAT_FRAMES))
    async with running(server) as integration:
        events = await everything(integration.chat, translated(hello(), stream=True))
    assert events == [
        Started(id="c", model="m", created=7),
        TextDelta(text="a"),
        TextDelta(text="b"),
        Finished(reason="stop"),
        USED,
    ]
    sent = as_json(server.received[-1].body)
    assert {name: sent[name] for name in ("model", "stream", "stream_options", "temperature")} == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
    }
    assert sent["messages"] == [{"role": "user", "content": "hi"}]


async def test_a_whole_answer_with_tool_calls(server: ScriptedServer) -> None:
    server.on(
        "POST",
        CHAT,
        json_reply(
            b'{"id":"c","created":7,"model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":'
            b'"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"pods",'
            b'"arguments":"{}"}}]}}],' + FIGURES + b"}"
        ),
    )
    async with running(server) as integration:
        request = hello(tools=(Tool(name="pods", parameters={"type": "object"}),))
        events = await everything(integration.chat, translated(request))
    assert events == [
        Started(id="c", model="m", created=7),
        ToolCallStarted(index=0, id="t", name="pods"),
        ToolCallDelta(index=0, arguments="{}"),
        Finished(reason="tool_calls"),
        USED,
    ]
    sent = as_json(server.received[-1].body)
    assert "stream" not in sent
    assert sent["tools"][0]["function"]["name"] == "pods"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_text_completion(server: ScriptedServer, stream: bool) -> None:
    choice = b'{"id":"c","created":7,"model":"m","choices":[{"index":0,"text":"yes","finish_reason":"length"}],'
    answer = choice + FIGURES + b"}"
    reply = sse_reply(b"data: " + answer + b"\n\ndata: [DONE]\n\n") if stream else json_reply(answer)
    server.on("POST", "/v1/completions", reply)
    request = CompletionRequest(model="alias", prompts=("is it?",), sampling=Sampling(max_output_tokens=1))
    async with running(server) as integration:
        events = await everything(integration.complete, translated(request, stream=stream))
    assert events == [
        Started(id="c", model="m", created=7),
        TextDelta(text="yes"),
        Finished(reason="length"),
        USED,
    ]
    assert as_json(server.received[-1].body)["max_tokens"] == 1


async def test_embeddings(server: ScriptedServer) -> None:
    answer = b'{"object":"list","model":"m","data":[{"index":1,"embedding":[0.5]},{"index":0,"embedding":[1.0]}],'
    server.on("POST", "/v1/embeddings", json_reply(answer + b'"usage":{"prompt_tokens":2,"total_tokens":2}}'))
    request = EmbeddingRequest(model="alias", inputs=("a", "b"), dimensions=1)
    async with running(server) as integration:
        events = await everything(integration.embed, translated(request))
    assert events == [
        EmbeddingResult(model="m", vectors=((1.0,), (0.5,)), usage=Usage(input_tokens=2)),
    ]
    assert as_json(server.received[-1].body) == {"model": "m", "input": ["a", "b"], "dimensions": 1}


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        (b"", ProviderProtocolError),
        (b'data: {"error":{"message":"slow down","code":429}}\n\n', UpstreamRateLimited),
        (b"data: {oops\n\n", ProviderProtocolError),
    ],
)
async def test_a_stream_that_ends_wrongly(server: ScriptedServer, ending: bytes, error: type[Exception]) -> None:
    server.on("POST", CHAT, sse_reply(CHAT_FRAMES[0] + ending))
    async with running(server) as integration:
        with pytest.raises(error):
            await everything(integration.chat, translated(hello(), stream=True))


async def test_a_cloud_without_them_says_so(server: ScriptedServer) -> None:
    async with running(server, "groq") as integration:
        with pytest.raises(UnsupportedFeature, match=r"Groq.*text completions"):
            await integration.complete(translated(CompletionRequest(model="m", prompts=("x",))))
        with pytest.raises(UnsupportedFeature, match=r"Groq.*embeddings"):
            await integration.embed(translated(EmbeddingRequest(model="m", inputs=("x",))))
    assert not [request for request in server.received if request.method == "POST"]


@pytest.mark.parametrize(
    ("kind", "limit"), [("openai", "max_completion_tokens"), ("openai_compatible", "max_tokens")]
)
async def test_a_request_is_put_as_the_vendor_takes_it(server: ScriptedServer, kind: str, limit: str) -> None:
    server.on("POST", CHAT, sse_reply(*CHAT_FRAMES))
    request = hello(sampling=Sampling(max_output_tokens=9))
    async with running(server, kind) as integration:
        await everything(integration.chat, translated(request, stream=True))
    assert as_json(server.received[-1].body)[limit] == 9
