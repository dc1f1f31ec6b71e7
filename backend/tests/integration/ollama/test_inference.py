"""Chat, completions, embeddings and `generate` through the real transport."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from ollama import AsyncClient

from app.core.integration_framework import IntegrationConfig
from app.domain.chat import Message, ResponseFormat, Sampling, TextPart, Tool
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import (
    ConnectionFailed,
    ContextLengthExceeded,
    InvalidRequest,
    ModelNotFound,
    PlatformError,
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from app.domain.events import (
    Finished,
    ReasoningDelta,
    Started,
    StreamEvent,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.integrations.model_platforms.ollama.integration import OllamaIntegration
from tests.integration.ollama.asking import chat, completion, embedding, read, text_of
from tests.integration.ollama.conftest import Start
from tests.servers.ollama_engines import DemoEngine, ScriptedEngine
from tests.servers.ollama_fake import Fault, OllamaFake
from tests.servers.ollama_models import FakeModel

ANSWER = "A pod is one or more containers."


async def test_chat(ollama: OllamaIntegration, fake: OllamaFake) -> None:
    exchange = chat(sampling=Sampling(temperature=0.0, logit_bias={"1": 2.0}))
    events = await read(await ollama.chat(exchange))
    assert isinstance(events[0], Started)
    assert (events[0].id, events[0].model) == ("req-1", "demo:latest")
    assert events[0].created > 1_700_000_000
    assert exchange.dropped == ["logit_bias"]
    assert text_of(events) == ANSWER
    assert events[-2] == Finished(reason="stop")
    assert isinstance(events[-1], UsageReported)
    assert (events[-1].usage.input_tokens, events[-1].usage.output_tokens) == (22, 8)
    (body,) = fake.asked("/api/chat")
    assert (body["truncate"], body["shift"]) == (False, False)
    assert body["options"] == {"num_ctx": 1024, "temperature": 0.0}


async def test_chat_calls_tools_side_by_side(ollama: OllamaIntegration) -> None:
    tools = (
        Tool(name="pods", parameters={"type": "object", "properties": {"n": {"type": "integer"}}}),
        Tool(name="nodes"),
    )
    events = await read(await ollama.chat(chat(tools=tools)))
    assert [event for event in events if isinstance(event, ToolCallStarted | ToolCallDelta)] == [
        ToolCallStarted(index=0, id="call_fake0000", name="pods"),
        ToolCallDelta(index=0, arguments='{"n":7}'),
        ToolCallStarted(index=1, id="call_fake0001", name="nodes"),
        ToolCallDelta(index=1, arguments="{}"),
    ]
    assert events[-2] == Finished(reason="tool_calls")


async def test_chat_thinks_aloud(ollama: OllamaIntegration) -> None:
    events = await read(await ollama.chat(chat(model="thinker:8b", reasoning_effort="high")))
    thoughts = [event.text for event in events if isinstance(event, ReasoningDelta)]
    assert "".join(thoughts) == "Let me think."
    assert text_of(events) == ANSWER
    silent = await read(await ollama.chat(chat(model="thinker:8b", reasoning_effort="none")))
    assert not [event for event in silent if isinstance(event, ReasoningDelta)]


async def test_chat_holds_to_a_schema(ollama: OllamaIntegration) -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    wanted = ResponseFormat(kind="json_schema", name="n", schema=schema)
    assert text_of(await read(await ollama.chat(chat(response_format=wanted)))) == '{"count": 7}'


async def test_completions_of_several_prompts_are_choices(ollama: OllamaIntegration, fake: OllamaFake) -> None:
    sampling = Sampling(max_output_tokens=2)
    events = await read(await ollama.complete(completion("one", "two three", sampling=sampling)))
    assert [type(event) for event in events].count(Started) == 1
    assert [event for event in events if isinstance(event, Finished)] == [
        Finished(reason="length"),
        Finished(reason="length", choice=1),
    ]
    assert isinstance(events[-1], UsageReported)
    assert (events[-1].usage.input_tokens, events[-1].usage.output_tokens) == (3, 4)
    assert [(body["prompt"], body["raw"]) for body in fake.asked("/api/generate")] == [
        ("one", True),
        ("two three", True),
    ]


async def test_a_completion_without_prompts_is_refused(ollama: OllamaIntegration) -> None:
    with pytest.raises(InvalidRequest):
        await ollama.complete(completion())


async def test_embeddings(ollama: OllamaIntegration, fake: OllamaFake) -> None:
    (event,) = await read(await ollama.embed(embedding("one", "two words", dimensions=2)))
    assert isinstance(event, EmbeddingResult)
    assert [len(vector) for vector in event.vectors] == [2, 2]
    assert event.usage
    assert event.usage.input_tokens == 3
    (body,) = fake.asked("/api/embed")
    assert (body["truncate"], body["options"]) == (False, {"num_ctx": 512})


async def test_generate(ollama: OllamaIntegration, fake: OllamaFake) -> None:
    answer = await ollama.generate("demo", "Hello", system="Be brief", sampling=Sampling(seed=1))
    assert (answer.model, str(answer), answer.finish_reason) == ("demo:latest", ANSWER, "stop")
    assert answer.usage.output_tokens == 8
    (body,) = fake.asked("/api/generate")
    assert "raw" not in body
    assert body["system"] == "Be brief"
    assert (await ollama.generate("thinker:8b", "Hello")).reasoning == "Let me think."


LONG = tuple(Message(role="user", content=(TextPart(text="word " * 600),)) for _ in range(2))


@pytest.mark.parametrize("model", ["demo:latest", "thinker:8b"])
async def test_a_prompt_that_does_not_fit_is_never_cut(
    ollama: OllamaIntegration, fake: OllamaFake, model: str
) -> None:
    with pytest.raises(ContextLengthExceeded):
        await ollama.chat(chat(model=model, messages=LONG))
    with pytest.raises(ContextLengthExceeded):
        await ollama.complete(completion("word " * 1100, model=model))
    with pytest.raises(ContextLengthExceeded):
        await ollama.embed(embedding("word " * 600))
    with pytest.raises(ContextLengthExceeded):
        await ollama.generate(model, "word " * 1100)
    assert isinstance(fake.engine, ScriptedEngine)
    assert not fake.engine.prompts


async def test_a_server_that_cuts_prompts_all_the_same_is_found_out(
    ollama: OllamaIntegration, fake: OllamaFake
) -> None:
    fake.deaf = True
    stream = await ollama.chat(chat(messages=LONG))
    with pytest.raises(ContextLengthExceeded):
        await read(stream)
    assert text_of(await read(await ollama.chat(chat()))) == ANSWER


async def test_an_answer_that_fills_the_context_ends_instead_of_sliding(start: Start, fake: OllamaFake) -> None:
    ollama = await start(num_ctx=25)
    events = await read(await ollama.chat(chat()))
    assert events[-2] == Finished(reason="length")


async def test_every_request_asks_for_the_same_context_so_nothing_is_loaded_twice(
    ollama: OllamaIntegration, fake: OllamaFake
) -> None:
    await ollama.load("demo")
    await read(await ollama.chat(chat()))
    await read(await ollama.complete(completion("Hello")))
    await ollama.generate("demo", "Hello")
    assert fake.memory.loads == 1


async def test_a_model_that_someone_loaded_with_more_context_keeps_it(start: Start, fake: OllamaFake) -> None:
    ollama = await start(max_num_ctx=256, model_refresh_interval=0)
    assert {model.context_window for model in ollama.models() if model.id == "demo:latest"} == {256}
    async with AsyncClient(host=fake.base_url) as other:
        await other.generate("demo", options={"num_ctx": 1024})
    await ollama.health_check()
    await read(await ollama.chat(chat()))
    assert [each.context_length for each in await ollama.running()] == [1024]
    assert {model.context_window for model in ollama.models() if model.id == "demo:latest"} == {1024}


@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        (chat(model="nobody"), ModelNotFound),
        (chat(model="../etc"), InvalidRequest),
        (chat(model="vectors:latest"), UnsupportedFeature),
        (chat(model="thinker:8b", tools=(Tool(name="t"),)), UnsupportedFeature),
        (chat(sampling=Sampling(n=2)), UnsupportedFeature),
    ],
)
async def test_refusals(ollama: OllamaIntegration, exchange: Any, kind: type[PlatformError]) -> None:
    with pytest.raises(kind) as caught:
        await ollama.chat(exchange)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=500, text="exit status 2"), UpstreamError),
        (Fault(status=503, text="server busy, maximum pending requests exceeded"), UpstreamUnavailable),
        (Fault(status=401, text="unauthorized"), UpstreamAuthFailed),
        (Fault(status=429, text="slow down", headers={"Retry-After": "3"}), UpstreamRateLimited),
        (Fault(status=302, headers={"Location": "http://127.0.0.1:1/"}), ProviderProtocolError),
    ],
)
async def test_an_answer_refused(
    ollama: OllamaIntegration, fake: OllamaFake, fault: Fault, kind: type[PlatformError]
) -> None:
    fake.faults["/api/chat"] = fault
    with pytest.raises(kind) as caught:
        await ollama.chat(chat())
    assert type(caught.value) is kind
    assert caught.value.provider == "ollama"
    assert fault.text not in caught.value.message
    if kind is UpstreamRateLimited:
        assert caught.value.retry_after == 3


@pytest.mark.parametrize(
    ("fault", "kind", "heard"),
    [
        (Fault(after=2, how="error"), UpstreamError, "A pod"),
        (Fault(after=2, how="end"), ProviderProtocolError, "A pod"),
        (Fault(after=2, how="garbage"), ProviderProtocolError, "A pod"),
        (Fault(after=2, how="cut"), ConnectionFailed, None),
        (Fault(after=0, how="end"), ProviderProtocolError, ""),
    ],
)
async def test_an_answer_that_breaks_is_an_error_never_a_silent_end(
    ollama: OllamaIntegration, fake: OllamaFake, fault: Fault, kind: type[PlatformError], heard: str | None
) -> None:
    fake.faults["/api/chat"] = fault
    events: list[StreamEvent] = []

    async def listen() -> None:
        async for event in await ollama.chat(chat()):
            events.append(event)

    with pytest.raises(kind) as caught:
        await listen()
    assert type(caught.value) is kind
    assert "it broke" not in caught.value.message
    assert not [event for event in events if isinstance(event, Finished)]
    assert heard is None or text_of(events) == heard


@pytest.mark.parametrize("events", [0, 2])
async def test_whoever_closes_an_answer_closes_the_upstream(
    ollama: OllamaIntegration, fake: OllamaFake, events: int
) -> None:
    fake.engine = ScriptedEngine(hold=asyncio.Event())
    async with aclosing(await ollama.chat(chat())) as stream:
        for _ in range(events):
            await anext(stream)
    async with asyncio.timeout(2):
        assert await fake.left.get() == "/api/chat"


async def test_cancelling_a_request_closes_the_upstream(ollama: OllamaIntegration, fake: OllamaFake) -> None:
    fake.engine = engine = ScriptedEngine(hold=asyncio.Event())
    asking = asyncio.create_task(ollama.generate("demo", "Hello"))
    async with asyncio.timeout(2):
        await engine.speaking.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await fake.left.get() == "/api/generate"


async def test_many_answers_at_once_do_not_cross(start: Start, fake: OllamaFake) -> None:
    ollama = await start()

    async def ask(nonce: int) -> str:
        schema = {"type": "object", "properties": {f"n{nonce}": {"type": "integer"}}}
        wanted = ResponseFormat(kind="json_schema", schema=schema)
        return text_of(await read(await ollama.chat(chat(response_format=wanted))))

    answers = await asyncio.gather(*(ask(nonce) for nonce in range(50)))
    assert answers == [f'{{"n{nonce}": 7}}' for nonce in range(50)]


async def test_real_inference() -> None:
    async with OllamaFake(FakeModel("demo:latest"), engine=DemoEngine()) as fake:
        config = IntegrationConfig(name="ollama", settings={"base_url": fake.base_url})
        ollama = OllamaIntegration(config)
        await ollama.initialize()
        try:
            events = await read(await ollama.chat(chat(sampling=Sampling(temperature=0.0))))
            (vectors,) = await read(await ollama.embed(embedding("What is a pod?", model="demo:latest")))
        finally:
            await ollama.shutdown()
    assert "containers" in text_of(events)
    assert events[-2] == Finished(reason="stop")
    assert isinstance(vectors, EmbeddingResult)
    assert len(vectors.vectors[0]) == 128
