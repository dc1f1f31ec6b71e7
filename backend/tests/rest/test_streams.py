"""Answers on the wire: whole and streamed, opaque and translated, silent, broken, abandoned."""

import asyncio
import json

import pytest

from app.domain.errors import UpstreamUnavailable
from app.domain.events import Opaque, TextDelta
from app.testing.providers import ScriptedProvider, Step
from tests.rest.gateway import ANSWER, CHAT, START, eventually, gateway
from tests.servers.raw_client import connection, post, read_reply, request_bytes

PATH = "/v1/chat/completions"
STREAM = {**CHAT, "stream": True}


def data_frames(body: bytes) -> list[str]:
    return [frame.removeprefix("data: ") for frame in body.decode().split("\n\n") if frame.startswith("data: ")]


async def test_a_whole_answer() -> None:
    async with gateway() as platform:
        reply = await post(platform.port, PATH, CHAT)
        answer = reply.json()
        assert (reply.status, answer["object"]) == (200, "chat.completion")
        assert answer["choices"][0]["message"]["content"] == "Hello"
        assert answer["usage"]["total_tokens"] == 5
        assert reply.headers["x-llm-provider"] == "scripted"
        assert reply.headers["x-llm-attempts"] == "1"
        assert float(reply.headers["x-llm-overhead-ms"]) >= 0
        assert int(reply.headers["openai-processing-ms"]) >= 0


async def test_a_streamed_answer() -> None:
    async with gateway() as platform:
        reply = await post(platform.port, PATH, STREAM)
        frames = data_frames(reply.body)
        assert frames[-1] == "[DONE]"
        chunks = [json.loads(frame) for frame in frames[:-1]]
        text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
        assert text == "Hello"
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["x-llm-provider"] == "scripted"
        assert all("usage" not in chunk or chunk["usage"] is None for chunk in chunks)
        assert platform.records[0].usage is not None


async def test_usage_is_streamed_to_who_asks_for_it() -> None:
    async with gateway() as platform:
        reply = await post(platform.port, PATH, {**STREAM, "stream_options": {"include_usage": True}})
        last = json.loads(data_frames(reply.body)[-2])
        assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 2)


OPAQUE = [b'data: {"a":  1}\n\ndata: {"b":2}\n\n', b"data: [DONE]\n\n"]


@pytest.mark.parametrize(
    ("request_body", "script", "wanted"),
    [
        (CHAT, [Opaque("openai_chat", b'{"odd" :  "spacing"}', whole=True)], b'{"odd" :  "spacing"}'),
        (STREAM, [Opaque("openai_chat", frames) for frames in OPAQUE], b"".join(OPAQUE)),
    ],
    ids=["whole", "streamed"],
)
async def test_opaque_bytes_pass_untouched(request_body: object, script: list[Step], wanted: bytes) -> None:
    async with gateway(ScriptedProvider(script)) as platform:
        reply = await post(platform.port, PATH, request_body)
        assert (reply.status, reply.body) == (200, wanted)


async def test_the_provider_gets_the_bytes_with_the_model_exchanged() -> None:
    async with gateway() as platform:
        body = b'{ "messages":[{"role":"user","content":"hi"}],  "model" : "scripted/model", "x":1.50 }'
        assert (await post(platform.port, PATH, body)).status == 200
        (exchange,) = platform.provider.exchanges
        assert exchange.body_as("openai_chat") == body.replace(b"scripted/model", b"model")


async def test_comments_fill_the_silence_before_and_within_an_answer() -> None:
    first, second = asyncio.Event(), asyncio.Event()
    provider = ScriptedProvider([first, *ANSWER[:2], second, *ANSWER[2:]])
    async with gateway(provider, comment_seconds=0.01) as platform, connection(platform.port) as (reader, writer):
        writer.write(request_bytes(PATH, json.dumps(STREAM).encode()))
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        assert b": keep-alive\n\n" in await reader.readuntil(b": keep-alive\n\n")
        first.set()
        await reader.readuntil(b'"Hel"')
        assert b"keep-alive" in await reader.readuntil(b": keep-alive\n\n")
        second.set()
        assert b'"lo"' in await reader.readuntil(b"[DONE]")


async def test_no_comment_is_written_while_events_flow() -> None:
    async with gateway(comment_seconds=5.0) as platform:
        assert b"keep-alive" not in (await post(platform.port, PATH, STREAM)).body


@pytest.mark.parametrize("silence_first", [False, True], ids=["after an event", "after a comment"])
async def test_a_failure_under_way_is_an_event_and_never_a_silent_end(silence_first: bool) -> None:
    pause = asyncio.Event()
    error = UpstreamUnavailable("'scripted' broke off.", provider="scripted")
    script: list[Step] = [pause, error] if silence_first else [START, TextDelta(text="Hel"), error]
    async with gateway(ScriptedProvider(script), comment_seconds=0.01) as platform:
        async with connection(platform.port) as (reader, writer):
            writer.write(request_bytes(PATH, json.dumps(STREAM).encode()))
            if silence_first:
                await reader.readuntil(b": keep-alive\n\n")
                pause.set()
            frame = await reader.readuntil(b"0\r\n\r\n")
        failed = [json.loads(each) for each in data_frames(frame.replace(b"\r\n", b"\n\n")) if "error" in each]
        assert failed[0]["error"]["type"] == "server_error"
        assert "scripted" in failed[0]["error"]["message"]
        assert platform.records[0].outcome == "unavailable"


async def test_a_failure_before_the_first_event_is_a_status() -> None:
    async with gateway(ScriptedProvider([UpstreamUnavailable("down", retry_after=1.2)])) as platform:
        for body in (CHAT, STREAM):
            reply = await post(platform.port, PATH, body)
            assert (reply.status, reply.headers["retry-after"]) == (503, "2")
            assert reply.json()["error"]["type"] == "server_error"


async def test_a_defect_leaks_nothing() -> None:
    async with gateway(ScriptedProvider([ZeroDivisionError("secret detail")])) as platform:
        reply = await post(platform.port, PATH, CHAT)
        assert reply.status in {502, 503}
        assert b"secret" not in reply.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("phase", ["waiting for the first event", "in the middle"])
async def test_a_client_that_leaves_closes_the_upstream_within_half_a_second(stream: bool, phase: str) -> None:
    forever = asyncio.Event()
    before: tuple[Step, ...] = () if phase.startswith("waiting") else ANSWER[:2]
    provider = ScriptedProvider([*before, forever])
    async with gateway(provider) as platform:
        async with connection(platform.port) as (reader, writer):
            writer.write(request_bytes(PATH, json.dumps({**CHAT, "stream": stream}).encode()))
            await eventually(lambda: provider.exchanges)
            if stream and before:
                await reader.readuntil(b'"Hel"')
        await eventually(lambda: provider.closed)
        await eventually(lambda: platform.records)
        assert platform.records[0].outcome == "cancelled"


async def test_two_hundred_streams_never_cross() -> None:
    class Echo(ScriptedProvider):
        async def chat(self, exchange):  # type: ignore[no-untyped-def]
            nonce = exchange.request.messages[0].content[0].text
            self._scripts = [[START, *(TextDelta(text=f"{nonce} ") for _ in range(20)), *ANSWER[3:]]]
            await asyncio.sleep(0)
            self._scripts = [[START, *(TextDelta(text=f"{nonce} ") for _ in range(20)), *ANSWER[3:]]]
            return await super().chat(exchange)

    async with gateway(Echo([])) as platform:
        tasks_before = len(asyncio.all_tasks())

        async def one(nonce: str) -> None:
            body = {**STREAM, "messages": [{"role": "user", "content": nonce}]}
            frames = data_frames((await post(platform.port, PATH, body)).body)
            deltas = [json.loads(frame)["choices"][0]["delta"] for frame in frames[:-1]]
            assert "".join(delta.get("content") or "" for delta in deltas) == f"{nonce} " * 20

        await asyncio.gather(*(one(f"nonce-{number}") for number in range(200)))
        await eventually(lambda: len(platform.records) == 200)
        assert platform.provider.closed == 200
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks_before, seconds=5)


async def test_two_requests_on_one_connection() -> None:
    async with gateway() as platform, connection(platform.port) as (reader, writer):
        for _ in range(2):
            writer.write(request_bytes(PATH, json.dumps(CHAT).encode()))
            assert (await read_reply(reader)).status == 200


async def test_requests_in_a_pipeline_are_answered_in_order() -> None:
    async with gateway() as platform, connection(platform.port) as (reader, writer):
        streamed, whole = json.dumps(STREAM).encode(), json.dumps(CHAT).encode()
        writer.write(request_bytes(PATH, whole) + request_bytes(PATH, streamed) + request_bytes(PATH, whole))
        kinds = [(await read_reply(reader)).headers["content-type"].split(";")[0] for _ in range(3)]
        assert kinds == ["application/json", "text/event-stream", "application/json"]


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
async def test_a_connection_is_closed_for_who_asks_for_it(version: bytes) -> None:
    raw = request_bytes(PATH, json.dumps(CHAT).encode(), headers={"Connection": "close"}).replace(
        b"HTTP/1.1", version
    )
    async with gateway() as platform, asyncio.timeout(5), connection(platform.port) as (reader, writer):
        writer.write(raw)
        reply = await read_reply(reader)
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await reader.read() == b""


async def test_a_client_that_left_while_its_request_waited_in_a_pipeline_costs_nothing() -> None:
    pause = asyncio.Event()
    provider = ScriptedProvider([pause, *ANSWER])
    body = json.dumps(CHAT).encode()
    async with gateway(provider) as platform:
        async with connection(platform.port) as (_, writer):
            writer.write(request_bytes(PATH, body) * 2)
            await eventually(lambda: provider.exchanges)
        await eventually(lambda: provider.closed)
        pause.set()
        assert (await post(platform.port, PATH, CHAT)).status == 200
        assert len(provider.exchanges) == 2
