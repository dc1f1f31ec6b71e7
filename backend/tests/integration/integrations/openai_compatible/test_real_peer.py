"""Real inference over HTTP: llama.cpp's server as the upstream, handed on and translated."""

import base64
from array import array
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import msgspec
import pytest

from app.core.integration_framework import IntegrationConfig
from app.domain.chat import (
    CompletionRequest,
    Message,
    ResponseFormat,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)
from app.domain.embeddings import EmbeddingRequest, EmbeddingResult
from app.domain.errors import ContextLengthExceeded, InvalidRequest, UpstreamAuthFailed, UpstreamUnavailable
from app.domain.events import Opaque, UsageReported
from app.domain.exchange import Encoded, Exchange
from app.domain.streams import Collector, collect
from app.integrations.model_platforms.openai_compatible.integration import OpenAICompatibleIntegration
from app.wire import openai_embeddings
from app.wire.openai_chat import response as chat_response
from app.wire.openai_chat.stream import StreamDecoder
from tests.integration.integrations.openai_compatible.provider import (
    as_json,
    everything,
    hello,
    passed_on,
    text,
    translated,
)
from tests.servers.openai_peer import OpenAIPeer, running_peer

SHORT = Sampling(temperature=0, max_output_tokens=16)


@asynccontextmanager
async def connected(peer: OpenAIPeer, api_key: str | None = None) -> AsyncIterator[OpenAICompatibleIntegration]:
    settings = {"base_url": peer.url, "api_key": api_key or peer.api_key}
    integration = OpenAICompatibleIntegration(IntegrationConfig(name="peer", kind="llamacpp", settings=settings))
    try:
        await integration.initialize()
        yield integration
    finally:
        await integration.shutdown()


def body(**fields: object) -> bytes:
    messages = [{"role": "user", "content": "What is a pod?"}]
    return msgspec.json.encode(
        {"model": "alias", "messages": messages, "temperature": 0, "max_tokens": 16} | fields
    )


async def test_its_model_is_found(openai_peer: OpenAIPeer) -> None:
    async with connected(openai_peer) as integration:
        (model,) = integration.models()
        await integration.health_check()
    assert model.id == openai_peer.model
    assert model.context_window == 1024
    assert "chat" in model.capabilities
    assert model.size_bytes
    assert model.size_bytes > 100_000


async def test_a_wrong_key(openai_peer: OpenAIPeer) -> None:
    with pytest.raises(UpstreamAuthFailed):
        async with connected(openai_peer, "wrong"):
            pass


async def test_handed_on_and_translated_say_the_same(openai_peer: OpenAIPeer) -> None:
    async with connected(openai_peer) as integration:
        events = await everything(integration.chat, passed_on(body(), model=openai_peer.model))
        whole = chat_response.decode(text(events))
        events = await everything(
            integration.chat,
            passed_on(body(stream=True, stream_options={"include_usage": True}), stream=True),
        )
        used = [event.usage for event in events if isinstance(event, UsageReported)]
        streamed = Collector()
        decoder = StreamDecoder()
        for event in (*decoder.feed(text(events)), *decoder.close()):
            streamed.add(event)
        question = Message(role="user", content=(TextPart(text="What is a pod?"),))
        request = hello(messages=(question,), sampling=SHORT)
        async with aclosing(await integration.chat(translated(request, stream=True))) as stream:
            third = await collect(stream)
    said = [result.choices[0].message.content for result in (whole, streamed.result(), third)]
    assert said[0] == said[1] == said[2]
    assert isinstance(said[0][0], TextPart)
    assert [usage.output_tokens for usage in used] == [16]
    assert third.usage is not None
    assert third.usage.output_tokens == 16


async def test_a_tool_is_called(openai_peer: OpenAIPeer) -> None:
    tool = Tool(
        name="get_pods",
        parameters={"type": "object", "properties": {"ns": {"enum": ["a", "b"]}}, "required": ["ns"]},
    )
    request = hello(
        tools=(tool,),
        tool_choice=ToolChoice(mode="required"),
        sampling=Sampling(temperature=0, max_output_tokens=200),
    )
    async with connected(openai_peer) as integration:
        for stream in (False, True):
            async with aclosing(await integration.chat(translated(request, stream=stream))) as events:
                result = await collect(events)
            calls = [part for part in result.choices[0].message.content if isinstance(part, ToolCall)]
            assert [call.name for call in calls] == ["get_pods"]
            assert as_json(calls[0].arguments.encode())["ns"] in {"a", "b"}
            assert result.choices[0].finish_reason == "tool_calls"


async def test_an_answer_follows_a_schema(openai_peer: OpenAIPeer) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    request = hello(response_format=ResponseFormat(kind="json_schema", name="answer", schema=schema))
    async with (
        connected(openai_peer) as integration,
        aclosing(await integration.chat(translated(request))) as events,
    ):
        result = await collect(events)
    (said,) = result.choices[0].message.content
    assert isinstance(said, TextPart)
    assert isinstance(as_json(said.text.encode())["ok"], bool)


@pytest.mark.parametrize("stream", [False, True])
async def test_text_completions(openai_peer: OpenAIPeer, stream: bool) -> None:
    request = CompletionRequest(model="alias", prompts=("A pod is",), sampling=SHORT)
    async with (
        connected(openai_peer) as integration,
        aclosing(await integration.complete(translated(request, stream=stream))) as events,
    ):
        result = await collect(events)
    assert result.choices[0].message.content
    assert result.usage is not None
    assert result.usage.output_tokens == 16


async def test_embeddings(openai_embedding_peer: OpenAIPeer) -> None:
    texts = ("What is a pod?", "What is a job?")
    async with connected(openai_embedding_peer) as integration:
        request = EmbeddingRequest(model="alias", inputs=texts)
        (numbers,) = await everything(integration.embed, translated(request))
        body = msgspec.json.encode({"model": "alias", "input": texts, "encoding_format": "base64"})
        exchange: Exchange[EmbeddingRequest] = Exchange(
            model="m",
            decode=lambda: openai_embeddings.decode(body),
            encoded=Encoded("openai_embeddings", body, openai_embeddings.splice),
        )
        opaque, used = await everything(integration.embed, exchange)
    assert isinstance(numbers, EmbeddingResult)
    assert isinstance(opaque, Opaque)
    assert isinstance(used, UsageReported)
    first = array("f", base64.b64decode(as_json(opaque.data)["data"][0]["embedding"]))
    assert len(numbers.vectors) == 2
    assert list(first) == pytest.approx(numbers.vectors[0], abs=1e-3)
    assert used.usage.input_tokens > 4


async def test_what_the_peer_refuses(openai_peer: OpenAIPeer) -> None:
    async with connected(openai_peer) as integration:
        long = Message(role="user", content=(TextPart(text="pod " * 3000),))
        with pytest.raises(ContextLengthExceeded):
            await everything(integration.chat, translated(hello(messages=(long,))))
        with pytest.raises(InvalidRequest):
            await everything(integration.chat, passed_on(body(messages="none")))


async def test_a_peer_that_is_killed_in_mid_stream() -> None:
    with running_peer() as peer:
        async with connected(peer) as integration:
            exchange = passed_on(body(stream=True, max_tokens=100_000, ignore_eos=True), stream=True)
            async with aclosing(await integration.chat(exchange)) as stream:
                await anext(stream)
                peer.process.kill()
                with pytest.raises(UpstreamUnavailable):
                    async for _ in stream:
                        pass
            with pytest.raises(UpstreamUnavailable):
                await integration.health_check()
