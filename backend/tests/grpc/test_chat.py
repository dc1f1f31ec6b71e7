"""Answers: streamed and whole, every kind of event, and what the provider was handed."""

import asyncio
from typing import get_args

import pytest

from app.api.grpc.encode import ENCODERS
from app.api.grpc.generated.llm_platform.v1 import inference_pb2 as pb
from app.domain.chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    ResponseFormat,
    Sampling,
    TextPart,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from app.domain.embeddings import EmbeddingResult
from app.domain.events import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage
from app.testing.providers import ScriptedProvider
from tests.grpc.server import ANSWER, ASK, served, texts
from tests.rest.gateway import eventually
from tests.servers.routing import one_place

START = ANSWER[0]


async def test_a_streamed_answer() -> None:
    async with served() as platform:
        call = platform.inference.Chat(ASK)
        events = [event async for event in call]
        kinds = [event.WhichOneof("event") for event in events]
        assert kinds == ["started", "text", "text", "finished", "usage"]
        assert (events[0].started.id, events[0].started.model, events[0].started.created) == (
            "chatcmpl-1",
            "model",
            1,
        )
        assert [event.text.text for event in events[1:3]] == ["Hel", "lo"]
        assert events[3].finished.reason == pb.FINISH_REASON_STOP
        assert (events[4].usage.input_tokens, events[4].usage.output_tokens) == (3, 2)
        (exchange,) = platform.provider.exchanges
        assert exchange.stream
        assert platform.records[0].front_end == "grpc"


async def test_a_whole_answer() -> None:
    async with served() as platform:
        call = platform.inference.ChatUnary(ASK)
        reply = await call
        assert (reply.id, reply.model, reply.created, reply.text) == ("chatcmpl-1", "model", 1, "Hello")
        (choice,) = reply.choices
        assert (choice.message.role, choice.message.parts[0].text) == (pb.ROLE_ASSISTANT, "Hello")
        assert choice.finish_reason == pb.FINISH_REASON_STOP
        assert reply.usage.output_tokens == 2
        assert not platform.provider.exchanges[0].stream


@pytest.mark.parametrize("method", ["Chat", "ChatUnary"])
async def test_an_answer_says_who_gave_it(method: str) -> None:
    async with served() as platform:
        call = getattr(platform.inference, method)(ASK, metadata=(("x-request-id", "abc-1"),))
        sent = dict(await call.initial_metadata())
        assert (sent["x-request-id"], sent["x-llm-provider"], sent["x-llm-attempts"]) == ("abc-1", "scripted", "1")
        assert float(sent["x-llm-overhead-ms"]) >= 0
        call.cancel()


@pytest.mark.parametrize("method", ["Chat", "ChatUnary"])
async def test_a_wait_for_a_place_is_told_and_a_session_is_heard(method: str) -> None:
    async with served() as platform:
        platform.catalog.rebuild(one_place())
        slots = platform.catalog.current.entry("one").targets[0].vitals.slots
        assert slots.take_free()
        ask = pb.ChatRequest(model="one", prompt="hi")
        call = getattr(platform.inference, method)(ask, metadata=(("x-session-id", "s-1"),))
        await eventually(slots.waiting)
        slots.give_back(0.001)
        assert float(dict(await call.initial_metadata())["x-llm-queue-ms"]) > 0
        assert platform.calls[0].session == "s-1"
        call.cancel()


async def test_an_odd_request_id_is_replaced() -> None:
    async with served() as platform:
        for given in ((("x-request-id", "a b <script>"),), (("x-request-id", "<a>"), ("x-request-id", "b"))):
            call = platform.inference.Chat(ASK, metadata=given)
            assert dict(await call.initial_metadata())["x-request-id"].startswith("req-")
            await texts(call)


EVENTS: list[tuple[ChatEvent, pb.ChatEvent]] = [
    (
        Started(id="i", model="m", created=7),
        pb.ChatEvent(started=pb.Started(id="i", model="m", created=7)),
    ),
    (
        TextDelta(
            text="Grüße 🌍",
            choice=1,
            logprobs=(
                TokenLogprob(token="a", logprob=-0.5, bytes=(97,), top=(TokenLogprob(token="b", logprob=-1.5),)),
            ),
        ),
        pb.ChatEvent(
            text=pb.TextDelta(
                text="Grüße 🌍",
                choice=1,
                logprobs=[
                    pb.TokenLogprob(
                        token="a", logprob=-0.5, utf8=b"a", top=[pb.TokenLogprob(token="b", logprob=-1.5)]
                    )
                ],
            )
        ),
    ),
    (
        ReasoningDelta(text="hm", signature="s", choice=2),
        pb.ChatEvent(reasoning=pb.ReasoningDelta(text="hm", signature="s", choice=2)),
    ),
    (RefusalDelta(text="no", choice=1), pb.ChatEvent(refusal=pb.TextDelta(text="no", choice=1))),
    (
        ToolCallStarted(index=1, id="c", name="f", choice=3),
        pb.ChatEvent(tool_call_started=pb.ToolCallStarted(index=1, id="c", name="f", choice=3)),
    ),
    (
        ToolCallDelta(index=1, arguments='{"a"', choice=3),
        pb.ChatEvent(tool_call=pb.ToolCallDelta(index=1, arguments='{"a"', choice=3)),
    ),
    (
        Finished(reason="length", choice=1, stop_sequence="END"),
        pb.ChatEvent(finished=pb.Finished(reason=pb.FINISH_REASON_LENGTH, choice=1, stop_sequence="END")),
    ),
    (
        UsageReported(
            usage=Usage(
                input_tokens=9,
                output_tokens=8,
                cached_tokens=7,
                cache_write_tokens=6,
                reasoning_tokens=5,
                estimated=True,
            )
        ),
        pb.ChatEvent(
            usage=pb.Usage(
                input_tokens=9,
                output_tokens=8,
                cached_tokens=7,
                cache_write_tokens=6,
                reasoning_tokens=5,
                estimated=True,
            )
        ),
    ),
]


def test_every_event_has_an_encoder() -> None:
    assert set(ENCODERS) == set(get_args(ChatEvent)) == {type(event) for event, _ in EVENTS}


async def test_every_event_arrives_as_it_is() -> None:
    events = [event for event, _ in EVENTS]
    async with served(ScriptedProvider(events)) as platform:
        assert [event async for event in platform.inference.Chat(ASK)] == [wanted for _, wanted in EVENTS]


async def test_a_whole_answer_with_thinking_tools_and_two_choices() -> None:
    script = [
        START,
        ReasoningDelta(text="hm", signature="sig"),
        TextDelta(text="I look."),
        ToolCallStarted(index=0, id="call-1", name="weather"),
        ToolCallDelta(index=0, arguments='{"city": '),
        ToolCallDelta(index=0, arguments='"Ulm"}'),
        RefusalDelta(text="no", choice=1),
        Finished(reason="tool_calls"),
        Finished(reason="content_filter", choice=1),
    ]
    async with served(ScriptedProvider(script)) as platform:
        reply = await platform.inference.ChatUnary(ASK)
        first, second = reply.choices
        assert list(first.message.parts) == [
            pb.Part(reasoning=pb.Reasoning(text="hm", signature="sig")),
            pb.Part(text="I look."),
            pb.Part(tool_call=pb.ToolCall(id="call-1", name="weather", arguments='{"city": "Ulm"}')),
        ]
        assert (reply.text, first.finish_reason) == ("I look.", pb.FINISH_REASON_TOOL_CALLS)
        assert (second.index, second.finish_reason) == (1, pb.FINISH_REASON_CONTENT_FILTER)
        assert second.message.parts[0].refusal == "no"
        assert not reply.HasField("usage")


SCHEMA = '{"type": "object", "properties": {"z": {"type": "integer", "minimum": 3}, "a": {"type": "string"}}}'
FULL = pb.ChatRequest(
    model="model",
    messages=[
        pb.Message(role=pb.ROLE_SYSTEM, content="Be brief."),
        pb.Message(role=pb.ROLE_DEVELOPER, content="Very."),
        pb.Message(
            role=pb.ROLE_USER,
            name="ada",
            parts=[
                pb.Part(text="What is this?"),
                pb.Part(image=pb.Image(url="https://example.org/a.png", detail="low")),
                pb.Part(image=pb.Image(data=b"\x00\xff", media_type="image/png")),
                pb.Part(audio=pb.Audio(data=b"\x01", format="wav")),
                pb.Part(file=pb.File(data=b"%PDF", filename="a.pdf", media_type="application/pdf")),
                pb.Part(file=pb.File(file_id="file-1")),
            ],
        ),
        pb.Message(
            role=pb.ROLE_ASSISTANT,
            parts=[
                pb.Part(reasoning=pb.Reasoning(text="hm", signature="sig")),
                pb.Part(refusal="no"),
                pb.Part(tool_call=pb.ToolCall(id="call-1", name="look", arguments="{}")),
                pb.Part(tool_call=pb.ToolCall(id="call-2", name="look", arguments="{}")),
            ],
        ),
        pb.Message(
            role=pb.ROLE_TOOL,
            parts=[
                pb.Part(tool_result=pb.ToolResult(call_id="call-1", content="a cat", is_error=True)),
                pb.Part(tool_result=pb.ToolResult(call_id="call-2", parts=[pb.Part(text="a dog")])),
            ],
        ),
    ],
    temperature=0.0,
    top_p=0.9,
    top_k=40,
    seed=-3,
    stop=["END", "STOP"],
    max_output_tokens=100,
    presence_penalty=0.5,
    frequency_penalty=-0.5,
    logit_bias={"42": -100.0},
    n=2,
    logprobs=True,
    top_logprobs=3,
    tools=[pb.Tool(name="look", description="Looks.", parameters=SCHEMA, strict=True), pb.Tool(name="nod")],
    tool_choice=pb.ToolChoice(mode=pb.ToolChoice.MODE_NAMED, name="look"),
    parallel_tool_calls=False,
    response_format=pb.ResponseFormat(
        kind=pb.ResponseFormat.KIND_JSON_SCHEMA, name="answer", description="It.", schema=SCHEMA, strict=False
    ),
    reasoning_effort="low",
    user="u-1",
)
PARAMETERS = {"type": "object", "properties": {"z": {"type": "integer", "minimum": 3}, "a": {"type": "string"}}}
DECODED = ChatRequest(
    model="model",
    messages=(
        Message(role="system", content=(TextPart(text="Be brief."),)),
        Message(role="developer", content=(TextPart(text="Very."),)),
        Message(
            role="user",
            name="ada",
            content=(
                TextPart(text="What is this?"),
                ImagePart(url="https://example.org/a.png", detail="low"),
                ImagePart(data="AP8=", media_type="image/png"),
                AudioPart(data="AQ==", format="wav"),
                FilePart(data="JVBERg==", filename="a.pdf", media_type="application/pdf"),
                FilePart(file_id="file-1"),
            ),
        ),
        Message(
            role="assistant",
            content=(
                ReasoningPart(text="hm", signature="sig"),
                RefusalPart(text="no"),
                ToolCall(id="call-1", name="look", arguments="{}"),
                ToolCall(id="call-2", name="look", arguments="{}"),
            ),
        ),
        Message(
            role="tool",
            content=(
                ToolResult(call_id="call-1", content=(TextPart(text="a cat"),), is_error=True),
                ToolResult(call_id="call-2", content=(TextPart(text="a dog"),)),
            ),
        ),
    ),
    sampling=Sampling(
        temperature=0.0,
        top_p=0.9,
        top_k=40,
        seed=-3,
        stop=("END", "STOP"),
        max_output_tokens=100,
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        logit_bias={"42": -100.0},
        n=2,
        logprobs=True,
        top_logprobs=3,
    ),
    tools=(Tool(name="look", description="Looks.", parameters=PARAMETERS, strict=True), Tool(name="nod")),
    tool_choice=ToolChoice(mode="named", name="look"),
    parallel_tool_calls=False,
    response_format=ResponseFormat(
        kind="json_schema", name="answer", description="It.", schema=PARAMETERS, strict=False
    ),
    reasoning_effort="low",
    user="u-1",
)


async def test_the_provider_is_handed_all_that_was_asked() -> None:
    async with served() as platform:
        await platform.inference.ChatUnary(FULL)
        request = platform.provider.exchanges[0].request
        assert request == DECODED
        # A dict compares without order, and the order of a schema's properties shapes answers.
        assert list(request.tools[0].parameters["properties"]) == ["z", "a"]


async def test_what_is_unset_is_left_to_the_provider() -> None:
    async with served() as platform:
        await texts(platform.inference.Chat(ASK))
        message = Message(role="user", content=(TextPart(text="hi"),))
        wanted = ChatRequest(model="model", messages=(message,), stream=True, include_usage=True)
        assert platform.provider.exchanges[0].request == wanted


async def test_embeddings() -> None:
    result = EmbeddingResult(model="model", vectors=((0.5, -1.0), (2.0, 0.25)), usage=Usage(input_tokens=4))
    async with served(ScriptedProvider([result])) as platform:
        request = pb.EmbedRequest(model="model", inputs=["a", "b"], dimensions=2, user="u")
        call = platform.inference.Embed(request)
        reply = await call
        assert [tuple(each.values) for each in reply.embeddings] == [(0.5, -1.0), (2.0, 0.25)]
        assert (reply.model, reply.usage.input_tokens) == ("model", 4)
        assert dict(await call.initial_metadata())["x-llm-provider"] == "scripted"
        asked = platform.provider.exchanges[0].request
        assert (asked.inputs, asked.dimensions, asked.user) == (("a", "b"), 2, "u")
        assert platform.records[0].operation == "embeddings"


async def test_two_hundred_streams_on_one_connection_never_cross() -> None:
    class Echo(ScriptedProvider):
        async def chat(self, exchange):  # type: ignore[no-untyped-def]
            nonce = exchange.request.messages[0].content[0].text
            await asyncio.sleep(0)
            self._scripts = [[START, *(TextDelta(text=f"{nonce} ") for _ in range(20)), *ANSWER[3:]]]
            return await super().chat(exchange)

    async with served(Echo([])) as platform:

        async def one(nonce: str) -> None:
            call = platform.inference.Chat(pb.ChatRequest(model="model", prompt=nonce))
            assert await texts(call) == f"{nonce} " * 20

        await asyncio.gather(*(one(f"nonce-{number}") for number in range(200)))
        assert platform.provider.closed == len(platform.records) == 200
