"""Same-format traffic: the upstream gets the caller's bytes, the model apart, and the caller gets its bytes."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from app.domain.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelNotFound,
    PlatformError,
    ProviderProtocolError,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.domain.events import Opaque, TextDelta, UsageReported
from app.domain.usage import Usage
from app.wire import call_ids
from tests.integration.integrations.openai_compatible.provider import (
    BODY,
    CHAT,
    as_json,
    everything,
    passed_on,
    running,
    text,
)
from tests.servers.scripted import CUT, SSE, Reply, ScriptedServer, json_reply, sse_reply

ANSWER = (
    b'{ "id":"c1", "object":"chat.completion","created":1, "model":"m", "x":1.0,\n"choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"caf\\u00e9"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5} }'
)
ASKING = b'{"stream_options" : {"include_usage":true},' + BODY[1:]
USED = Usage(input_tokens=3, output_tokens=2)
FRAMES = [
    b": waking up\n\n",
    b'data: {"id":"c1","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"caf\\u00e9"}}]}\n\n',
    b'data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\n\r\n',
    b'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n',
    b"data: [DONE]\n\n",
]


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


async def test_bytes_out_and_bytes_back(server: ScriptedServer) -> None:
    server.on("POST", CHAT, json_reply(ANSWER))
    async with running(server, headers={"x-team": "blue"}) as integration:
        events = await everything(integration.chat, passed_on(model="org/real-model"))
    assert events == [Opaque("openai_chat", ANSWER, whole=True), UsageReported(usage=USED)]
    request = server.received[-1]
    assert request.body == BODY.replace(b'"alias"', b'"org/real-model"')
    sent = {
        name: request.headers.get(name) for name in ("authorization", "x-request-id", "content-type", "x-team")
    }
    assert sent == {
        "authorization": "Bearer sk-canary",
        "x-request-id": "req-1",
        "content-type": "application/json",
        "x-team": "blue",
    }


async def test_signatures_that_ids_carry_for_another_provider_are_not_passed_on(server: ScriptedServer) -> None:
    server.on("POST", CHAT, json_reply(ANSWER))
    body = b'{ "messages":[{"role":"tool" , "tool_call_id":"%b", "content":"x"}],\n "model":"m"}'
    async with running(server) as integration:
        await everything(integration.chat, passed_on(body % call_ids.sign("c1", "AA==").encode()))
    assert server.received[-1].body == body % b"c1"


async def test_a_compressed_answer_is_handed_on_unpacked(server: ScriptedServer) -> None:
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    server.on("POST", CHAT, Reply(headers=packed, steps=(gzip.compress(ANSWER),)))
    async with running(server) as integration:
        assert text(await everything(integration.chat, passed_on())) == ANSWER


async def test_a_stream_comes_back_as_it_is(server: ScriptedServer) -> None:
    server.on("POST", CHAT, sse_reply(*FRAMES))
    async with running(server) as integration:
        events = await everything(integration.chat, passed_on(ASKING, stream=True))
    assert server.received[-1].body == ASKING.replace(b'"alias"', b'"m"')
    assert text(events) == b"".join(FRAMES)
    assert [event for event in events if not isinstance(event, Opaque)] == [UsageReported(usage=USED)]


async def test_a_stream_is_handed_on_as_it_comes(server: ScriptedServer) -> None:
    gates = [asyncio.Event() for _ in FRAMES]
    server.on("POST", CHAT, sse_reply(*(step for pair in zip(FRAMES, gates, strict=True) for step in pair)))
    async with (
        running(server) as integration,
        aclosing(await integration.chat(passed_on(ASKING, stream=True))) as stream,
    ):
        for frame, gate in zip(FRAMES[:-1], gates, strict=False):
            async with asyncio.timeout(5):
                assert await anext(stream) == Opaque("openai_chat", frame)
            gate.set()


@pytest.mark.parametrize("kind", ["groq"])
async def test_refused_fields_are_left_out(server: ScriptedServer, kind: str) -> None:
    server.on("POST", CHAT, json_reply(ANSWER))
    body = b'{"model":"alias","logprobs":true,"seed":1.0,"messages":[{"role":"user","name":"ann","content":"x"}]}'
    async with running(server, kind, drop_params={"seed"}) as integration:
        exchange = passed_on(body)
        await everything(integration.chat, exchange)
        await everything(integration.chat, passed_on())
    assert sorted(exchange.dropped) == ["logprobs", "messages[].name", "seed"]
    edited, untouched = (request.body for request in server.requests_to(CHAT))
    assert as_json(edited) == {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert untouched == BODY.replace(b'"alias"', b'"m"')


async def test_a_cloud_that_cuts_prompts_unasked_is_asked_not_to(server: ScriptedServer) -> None:
    server.on("GET", "/v1/key", json_reply(b"{}"))
    server.on("POST", CHAT, json_reply(ANSWER))
    async with running(server, "openrouter") as integration:
        await everything(integration.chat, passed_on())
        await everything(integration.chat, passed_on(BODY[:-1] + b', "plugins": [{"id": "web"}]}'))
    plain, own = (as_json(request.body)["plugins"] for request in server.requests_to(CHAT))
    assert plain == [{"id": "context-compression", "enabled": False}]
    assert own == [{"id": "web"}]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (json_reply(b'{"error":{"message":"bad temperature","param":"temperature"}}', 400), InvalidRequest),
        (json_reply(b'{"error":{"code":"context_length_exceeded","message":"x"}}', 400), ContextLengthExceeded),
        (json_reply(b'{"error":{"code":"model_not_found","message":"x"}}', 404), ModelNotFound),
        (json_reply(b'{"error":{"message":"sk-canary"}}', 401), UpstreamAuthFailed),
        (json_reply(b'{"error":{"message":"x"}}', 429, retry_after="7"), UpstreamRateLimited),
        (json_reply(b"boom sk-canary", 500), UpstreamError),
        (json_reply(b"<html>sk-canary</html>", 502), UpstreamUnavailable),
        (Reply(status=302, headers={"location": "http://127.0.0.1/"}), PlatformError),
        (json_reply(b'{"error":{"message":"sk-canary","code":500}}'), UpstreamError),
        (json_reply(ANSWER[:-9]), ProviderProtocolError),
        (json_reply(b"[]"), ProviderProtocolError),
        (Reply(headers={"content-type": "text/html"}, steps=(b"<html>sk-canary",)), ProviderProtocolError),
        (Reply(headers={}, steps=()), UpstreamError),
        (Reply(steps=(ANSWER[:20], CUT)), UpstreamUnavailable),
        (Reply(steps=(CUT,)), UpstreamError),
        (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}"), UpstreamUnavailable),
        (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}"), ProviderProtocolError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_goes_wrong_is_a_domain_error(
    server: ScriptedServer, reply: Reply, error: type[PlatformError], stream: bool
) -> None:
    server.on("POST", CHAT, reply)
    async with running(server) as integration:
        with pytest.raises(error) as caught:
            await everything(integration.chat, passed_on(stream=stream))
    assert "canary" not in f"{caught.value} {caught.value.__cause__}"
    assert caught.value.retry_after == (7.0 if error is UpstreamRateLimited else None)


@pytest.mark.parametrize("ending", [[CUT], []])
async def test_a_cut_stream_is_an_error_after_what_came(server: ScriptedServer, ending: list[object]) -> None:
    seen = asyncio.Event()
    server.on("POST", CHAT, sse_reply(FRAMES[1], seen, *ending))
    async with running(server) as integration, aclosing(await integration.chat(passed_on(stream=True))) as stream:
        assert await anext(stream) == Opaque("openai_chat", FRAMES[1])
        seen.set()
        with pytest.raises(UpstreamUnavailable, match="'up'"):
            await anext(stream)


async def test_an_error_frame_in_mid_stream(server: ScriptedServer) -> None:
    server.on("POST", CHAT, sse_reply(FRAMES[1], b'data: {"error":{"message":"sk-canary","code":503}}\n\n'))
    async with running(server) as integration:
        with pytest.raises(UpstreamUnavailable) as caught:
            await everything(integration.chat, passed_on(stream=True))
    assert "canary" not in str(caught.value)


async def test_a_whole_answer_to_a_request_for_a_stream_becomes_events(server: ScriptedServer) -> None:
    server.on("POST", CHAT, json_reply(ANSWER))
    async with running(server) as integration:
        events = await everything(integration.chat, passed_on(stream=True))
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["caf\u00e9"]
    assert events[-1] == UsageReported(usage=USED)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_is_down(server: ScriptedServer, stream: bool) -> None:
    async with running(server) as integration:
        await server.stop()
        with pytest.raises(UpstreamUnavailable):
            await everything(integration.chat, passed_on(stream=stream))


async def test_a_server_that_never_answers(server: ScriptedServer) -> None:
    server.on("POST", CHAT, Reply(hold=asyncio.Event()))
    async with running(server, first_byte_timeout=0.05) as integration:
        with pytest.raises(UpstreamTimeout):
            await everything(integration.chat, passed_on())


@pytest.mark.parametrize("read", [0, 1])
async def test_closing_a_stream_closes_the_upstream_at_once(server: ScriptedServer, read: int) -> None:
    server.on("POST", CHAT, Reply(headers=SSE, steps=(FRAMES[1], asyncio.Event())))
    async with running(server) as integration:
        stream = await integration.chat(passed_on(stream=True))
        for _ in range(read):
            await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(0.5):
            await server.left.wait()


async def test_cancelling_a_request_closes_the_upstream_at_once(server: ScriptedServer) -> None:
    server.on("POST", CHAT, Reply(hold=asyncio.Event()))
    async with running(server) as integration:
        asking = asyncio.create_task(everything(integration.chat, passed_on()))
        await server.arrived(CHAT)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(0.5):
            await server.left.wait()


async def test_connections_serve_again(server: ScriptedServer) -> None:
    server.on("POST", CHAT, sse_reply(*FRAMES), json_reply(ANSWER))
    async with running(server) as integration:
        for stream in (True, False, False):
            await everything(integration.chat, passed_on(stream=stream))
    assert server.connections == 1
