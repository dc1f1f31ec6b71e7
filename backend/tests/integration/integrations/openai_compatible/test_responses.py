"""The Responses format through a vendor that has it: the same bytes out and back. And through one that has not."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec
import pytest

from app.domain.chat import ChatRequest
from app.domain.errors import (
    InvalidRequest,
    PlatformError,
    ProviderProtocolError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from app.domain.events import Opaque, StreamEvent, TextDelta, UsageReported
from app.domain.exchange import Encoded, Exchange
from app.domain.usage import Usage
from app.integrations.model_platforms.openai_compatible.integration import OpenAICompatibleIntegration
from app.wire.openai_chat import request as openai_chat
from app.wire.openai_responses import request
from tests.integration.integrations.openai_compatible.provider import CHAT, as_json, everything, running, text
from tests.servers.scripted import CUT, Reply, ScriptedServer, json_reply, sse_reply

PATH = "/v1/responses"
BODY = (
    b'{ "input":"caf\\u00e9",\n "model":"alias","temperature":0.70,"x_unknown":[1.0,1e2],'
    b'"metadata":{"x":"response.completed"}, "tools":[{"type":"web_search"}] }'
)
USAGE = b'"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5,"input_tokens_details":{"cached_tokens":1}}'
MESSAGE = (
    b'{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"caf\\u00e9"}]}'
)
ANSWER = (
    b'{ "id":"resp_1","object":"response","created_at":1,"model":"m","status":"completed","error":null,'
    b'"metadata":{"x":"response.completed"},"output":[' + MESSAGE + b"]," + USAGE + b"}"
)
USED = Usage(input_tokens=3, output_tokens=2, cached_tokens=1)


def frame(type: str, rest: bytes) -> bytes:
    return b'event: %b\ndata: {"type":"%b",%b}\n\n' % (type.encode(), type.encode(), rest)


BEGUN = ANSWER.replace(USAGE, b'"usage":null').replace(b'"completed",', b'"in_progress",')
FRAMES = [
    frame("response.created", b'"response":' + BEGUN),
    frame("response.output_text.delta", b'"output_index":0,"delta":"caf\\u00e9 \\"response.completed\\""'),
    frame("response.completed", b'"sequence_number":2, "response":' + ANSWER),
]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


def exchange(body: bytes = BODY, *, stream: bool = False) -> Exchange[ChatRequest]:
    encoded = Encoded("openai_responses", body, request.splice)
    return Exchange(model="m", decode=lambda: request.decode(body), encoded=encoded, stream=stream, request_id="r")


@pytest.mark.parametrize("settings", [{"kind": "openai"}, {"responses": True}])
async def test_bytes_out_and_bytes_back(server: ScriptedServer, settings: dict[str, object]) -> None:
    server.on("POST", PATH, json_reply(ANSWER))
    async with running(server, **settings) as integration:  # type: ignore[arg-type]
        events = await everything(integration.chat, exchange())
    assert events == [Opaque("openai_responses", ANSWER, whole=True), UsageReported(usage=USED)]
    assert server.received[-1].body == BODY.replace(b'"alias"', b'"m"')


@pytest.mark.parametrize("frames", [FRAMES, [b"".join(FRAMES)], [b"".join(FRAMES).rstrip(b"\n")]])
async def test_a_stream_comes_back_as_it_is(server: ScriptedServer, frames: list[bytes]) -> None:
    server.on("POST", PATH, sse_reply(*frames))
    async with running(server, "openai") as integration:
        events = await everything(integration.chat, exchange(stream=True))
    assert text(events).rstrip(b"\n") == b"".join(FRAMES).rstrip(b"\n")
    assert [event for event in events if not isinstance(event, Opaque)] == [UsageReported(usage=USED)]


async def test_a_stream_cut_through_anywhere(server: ScriptedServer) -> None:
    whole = b"".join(FRAMES)
    server.on("POST", PATH, sse_reply(*(whole[at : at + 11] for at in range(0, len(whole), 11))))
    async with running(server, "openai") as integration:
        events = await everything(integration.chat, exchange(stream=True))
    assert text(events) == whole
    assert all(event.data.endswith(b"\n\n") for event in events if isinstance(event, Opaque))


async def test_connections_serve_again(server: ScriptedServer) -> None:
    server.on("POST", PATH, sse_reply(*FRAMES), json_reply(ANSWER))
    async with running(server, "openai") as integration:
        for stream in (True, False, False):
            await everything(integration.chat, exchange(stream=stream))
    assert server.connections == 1


FAILED = b'"response":{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"sk-canary"}}'


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([FRAMES[0], frame("response.failed", FAILED)], UpstreamError),
        ([FRAMES[0], frame("error", b'"code":"x","message":"sk-canary"')], UpstreamError),
        ([FRAMES[0] + frame("error", b'"error":{"code":"rate_limit_exceeded"}')], UpstreamRateLimited),
        ([FRAMES[0], CUT], UpstreamUnavailable),
        ([FRAMES[0]], UpstreamUnavailable),
        ([], UpstreamUnavailable),
    ],
)
async def test_a_stream_that_fails(
    server: ScriptedServer, steps: list[object], error: type[PlatformError]
) -> None:
    server.on("POST", PATH, sse_reply(*steps))
    seen: list[StreamEvent] = []

    async def read(integration: OpenAICompatibleIntegration) -> None:
        async with aclosing(await integration.chat(exchange(stream=True))) as stream:
            async for event in stream:
                seen.append(event)

    async with running(server, "openai") as integration:
        with pytest.raises(error) as caught:
            await read(integration)
    assert "canary" not in str(caught.value)
    assert text(seen) in (FRAMES[0], b"")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (json_reply(b'{"error":{"message":"bad input","param":"input"}}', 400), InvalidRequest),
        (json_reply(b'{"id":"r","status":"failed","error":{"code":"server_error","message":"x"}}'), UpstreamError),
        (json_reply(b"[]"), ProviderProtocolError),
        (Reply(headers={"content-type": "text/html"}, steps=(b"<html>",)), ProviderProtocolError),
    ],
)
async def test_an_answer_that_fails(server: ScriptedServer, reply: Reply, error: type[PlatformError]) -> None:
    server.on("POST", PATH, reply)
    async with running(server, "openai") as integration:
        with pytest.raises(error):
            await everything(integration.chat, exchange())


async def test_a_whole_answer_to_a_request_for_a_stream_becomes_events(server: ScriptedServer) -> None:
    server.on("POST", PATH, json_reply(ANSWER))
    async with running(server, "openai") as integration:
        events = await everything(integration.chat, exchange(stream=True))
    assert [event.text for event in events if isinstance(event, TextDelta) and event.text] == ["caf\u00e9"]
    assert events[-1] == UsageReported(usage=USED)


@pytest.mark.parametrize("settings", [{"kind": "openai_compatible"}, {"kind": "openai", "responses": False}])
async def test_a_vendor_without_it_gets_a_chat(server: ScriptedServer, settings: dict[str, object]) -> None:
    chat = {"id": "c", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"content": "a"}}]}
    server.on("POST", CHAT, json_reply(msgspec.json.encode(chat)))
    body = b'{"model":"alias","input":"hi","instructions":"Be short."}'
    async with running(server, **settings) as integration:  # type: ignore[arg-type]
        events = await everything(integration.chat, exchange(body))
    assert [event.text for event in events if isinstance(event, TextDelta) and event.text] == ["a"]
    sent = as_json(server.received[-1].body)
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]


async def test_a_vendor_with_nothing_else_gets_every_chat_so(server: ScriptedServer) -> None:
    search = frame("response.reasoning.search_queries", b'"queries":["caf\\u00e9"],"sequence_number":1')
    server.on("POST", PATH, sse_reply(FRAMES[0], search, *FRAMES[1:]))
    body = b'{"model":"alias","messages":[{"role":"user","content":"hi"}],"stream":true,"max_completion_tokens":7}'
    asked = Exchange(
        model="openai/gpt",
        decode=lambda: openai_chat.decode(body),
        encoded=Encoded("openai_chat", body, openai_chat.splice),
        stream=True,
    )
    async with running(server, "perplexity") as integration:
        events = await everything(integration.chat, asked)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)).startswith("caf\u00e9")
    assert events[-1] == UsageReported(usage=USED)
    sent = as_json(server.received[-1].body)
    assert (sent["model"], sent["max_output_tokens"], "messages" in sent) == ("openai/gpt", 7, False)


async def test_and_its_own_format_is_handed_on(server: ScriptedServer) -> None:
    server.on("POST", PATH, json_reply(ANSWER))
    async with running(server, "perplexity") as integration:
        await everything(integration.chat, exchange())
    assert server.received[-1].body == BODY.replace(b'"alias"', b'"m"')
