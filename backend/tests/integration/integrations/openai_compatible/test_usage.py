"""What a stream used is always asked for, counted exactly, and kept from a caller who did not ask."""

import logging
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.errors import InvalidRequest
from app.domain.events import Opaque, UsageReported
from app.domain.exchange import Encoded, Exchange
from app.domain.usage import Usage
from app.inference.call import Call
from app.inference.stages.account import Account, CallRecord
from app.wire.openai_completions import request as completions
from tests.integration.integrations.openai_compatible.provider import (
    BODY,
    CHAT,
    as_json,
    everything,
    hello,
    passed_on,
    running,
    text,
    translated,
)
from tests.integration.integrations.openai_compatible.test_real_peer import connected
from tests.servers.openai_peer import OpenAIPeer
from tests.servers.scripted import Reply, ScriptedServer, json_reply, sse_reply

ASKED = b'{"stream_options":{"include_usage":true},'
SENT = BODY.replace(b'"alias"', b'"m"')
DELTA = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}],"usage":null}\n\n'
FIGURES = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"
USED = Usage(input_tokens=3, output_tokens=2)
UNKNOWN = json_reply(b'{"error":{"message":"Unrecognized request argument supplied: stream_options"}}', 400)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        server.on("POST", CHAT, sse_reply(DELTA, DELTA + FIGURES + DONE))
        yield server


async def test_it_is_asked_for_and_kept_back(server: ScriptedServer) -> None:
    async with running(server) as integration:
        events = await everything(integration.chat, passed_on(stream=True))
    assert server.received[-1].body == ASKED + SENT[1:]
    assert text(events) == DELTA + DELTA + DONE
    assert events[-2:] == [UsageReported(usage=USED), Opaque("openai_chat", DONE, last=True)]


async def test_text_completions(server: ScriptedServer) -> None:
    body = b'{"model":"alias","prompt":"x","stream":true,"stream_options":null}'
    exchange: Exchange[CompletionRequest] = Exchange(
        model="m",
        decode=lambda: completions.decode(body),
        encoded=Encoded("openai_completions", body, completions.splice),
        stream=True,
    )
    server.on("POST", "/v1/completions", sse_reply(DELTA, FIGURES, DONE))
    async with running(server) as integration:
        events = await everything(integration.complete, exchange)
    assert as_json(server.received[-1].body)["stream_options"] == {"include_usage": True}
    assert text(events) == DELTA + DONE
    assert UsageReported(usage=USED) in events


async def test_nothing_is_asked_of_an_answer_that_does_not_stream(server: ScriptedServer) -> None:
    server.on("POST", CHAT, json_reply(b'{"choices":[]}'))
    async with running(server) as integration:
        await everything(integration.chat, passed_on())
    assert server.received[-1].body == SENT


@pytest.mark.parametrize(("kind", "settings"), [("mistral", {}), ("vllm", {"drop_params": ["stream_options"]})])
async def test_a_vendor_that_refuses_the_question_is_not_asked(
    server: ScriptedServer, kind: str, settings: dict[str, list[str]]
) -> None:
    exchanges = [
        passed_on(stream=True),
        translated(hello(), stream=True),
        passed_on(ASKED + BODY[1:], stream=True),
    ]
    async with running(server, kind, **settings) as integration:
        for exchange in exchanges:
            await everything(integration.chat, exchange)
    assert server.requests_to(CHAT)[0].body == SENT
    assert ["stream_options" in as_json(request.body) for request in server.requests_to(CHAT)] == [False] * 3
    # Only what a caller wanted is missed.
    assert [exchange.dropped for exchange in exchanges] == [[], [], ["stream_options"]]


@pytest.mark.parametrize("exchange", [passed_on(stream=True), translated(hello(), stream=True)])
async def test_a_server_that_turns_out_to_refuse_it_is_asked_without_and_remembered(
    server: ScriptedServer, exchange: Exchange[ChatRequest], caplog: pytest.LogCaptureFixture
) -> None:
    server.on("POST", CHAT, UNKNOWN, sse_reply(DELTA, DONE))
    async with running(server) as integration:
        for _ in range(2):
            await everything(integration.chat, exchange)
        await everything(integration.chat, passed_on(stream=True, model="other"))
    asked = ["stream_options" in as_json(request.body) for request in server.requests_to(CHAT)]
    assert asked == [True, False, False, True]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "up: 'm' takes no stream_options: its usage is estimated"
    ]


@pytest.mark.parametrize(
    ("body", "replies", "sent"),
    [
        (ASKED + BODY[1:], [UNKNOWN], 1),
        (BODY, [json_reply(b'{"error":{"message":"no"}}', 400)], 1),
        (BODY, [UNKNOWN, UNKNOWN, sse_reply(DONE)], 2),
    ],
)
async def test_any_other_refusal_is_the_callers(
    server: ScriptedServer, body: bytes, replies: list[Reply], sent: int
) -> None:
    server.on("POST", CHAT, *replies)
    async with running(server) as integration:
        with pytest.raises(InvalidRequest):
            await everything(integration.chat, passed_on(body, stream=True))
    assert len(server.requests_to(CHAT)) == sent


async def test_the_record_is_exact(server: ScriptedServer) -> None:
    records: list[CallRecord] = []
    async with running(server) as integration:
        exchange = passed_on(stream=True)
        call = Call(id="c", operation="chat", model="m", decode=lambda: None, stream=True)
        stream = await Account([records.append])(call, lambda _: integration.chat(exchange))
        async with aclosing(stream):
            async for _ in stream:
                pass
    assert [(record.outcome, record.usage) for record in records] == [("ok", USED)]


async def test_a_real_server(openai_peer: OpenAIPeer) -> None:
    body = (
        b'{"model":"alias","messages":[{"role":"user","content":"What is a pod?"}],"max_tokens":16,"stream":true}'
    )
    async with connected(openai_peer) as integration:
        events = await everything(integration.chat, passed_on(body, stream=True, model=openai_peer.model))
    (used,) = (event.usage for event in events if isinstance(event, UsageReported))
    assert used.output_tokens == 16
    assert b'"choices":[]' not in text(events)
    assert b'"usage":{' not in text(events)
