"""Waiting for a place: what the caller sees of it, and what the answer says afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from app.inference.slots import Slots
from tests.rest.gateway import Gateway, eventually, gateway
from tests.servers.raw_client import Reply, connection, post, request_bytes
from tests.servers.routing import one_place

CHAT = ("/v1/chat/completions", {"model": "one", "messages": [{"role": "user", "content": "hi"}]})
MESSAGES = ("/v1/messages", {**CHAT[1], "max_tokens": 5})
RESPONSES = ("/v1/responses", {"model": "one", "input": "hi", "store": False})


@asynccontextmanager
async def taken(queue_wait: float = 30.0, **policy: object) -> AsyncIterator[tuple[Gateway, Slots]]:
    """A gateway whose only place is taken. Answers there are quick, as far as it has seen."""
    async with gateway(**policy) as platform:
        platform.catalog.rebuild(one_place(queue_wait))
        slots = platform.catalog.current.entry("one").targets[0].vitals.slots
        assert slots.take_free()
        slots.give_back(0.001)
        assert slots.take_free()
        yield platform, slots


@pytest.mark.parametrize("stream", [False, True])
async def test_a_wait_is_told_in_the_headers(stream: bool) -> None:
    async with taken() as (platform, slots):
        path, body = CHAT
        asking = asyncio.create_task(post(platform.port, path, {**body, "stream": stream}))
        await eventually(slots.waiting)
        slots.give_back(0.001)
        reply = await asking
        assert reply.status == 200
        assert b"waiting" not in reply.body
        assert float(reply.headers["x-llm-queue-ms"]) > 0
        assert float(reply.headers["x-llm-overhead-ms"]) < 1000
        free: Reply = await post(platform.port, path, body)
        assert "x-llm-queue-ms" not in free.headers


@pytest.mark.parametrize(("path", "body"), [CHAT, MESSAGES, RESPONSES], ids=["chat", "messages", "responses"])
async def test_a_stream_that_waits_long_tells_how_many_are_ahead(path: str, body: Mapping[str, object]) -> None:
    async with taken(comment_seconds=0.02) as (platform, slots), connection(platform.port) as (reader, writer):
        writer.write(request_bytes(path, json.dumps({**body, "stream": True}).encode()))
        head = await reader.readuntil(b": waiting for a place, 0 ahead\n\n")  # a silence may be filled before
        assert head.startswith(b"HTTP/1.1 200")
        assert b"text/event-stream" in head
        slots.give_back(0.001)
        assert b"Hel" in await reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize(("path", "body"), [CHAT, MESSAGES, RESPONSES], ids=["chat", "messages", "responses"])
async def test_a_wait_in_vain_ends_with_an_error_event(path: str, body: Mapping[str, object]) -> None:
    async with taken(queue_wait=0.1, comment_seconds=0.02) as (platform, slots):
        reply = await post(platform.port, path, {**body, "stream": True})
        assert reply.status == 200
        assert b": waiting for a place, 0 ahead\n\n" in reply.body
        assert b"the queue is full" in reply.body
        assert slots.waiting() == 0
        assert platform.records[0].outcome == "resource_exhausted"


async def test_a_wait_in_vain_that_nobody_was_told_of_is_a_429() -> None:
    async with taken(queue_wait=0.05) as (platform, _):
        reply = await post(platform.port, CHAT[0], {**CHAT[1], "stream": True})
        assert (reply.status, reply.headers["retry-after"]) == (429, "1")
        assert reply.json()["error"]["code"] == "queue_full"


async def test_a_caller_that_leaves_the_line_is_not_waited_for() -> None:
    async with taken(comment_seconds=0.02) as (platform, slots):
        async with connection(platform.port) as (reader, writer):
            writer.write(request_bytes(CHAT[0], json.dumps({**CHAT[1], "stream": True}).encode()))
            await reader.readuntil(b"0 ahead\n\n")
            writer.close()
        await eventually(lambda: not slots.waiting())
        assert platform.records[0].outcome == "cancelled"


async def test_the_callers_word_for_what_belongs_together() -> None:
    async with gateway() as platform:
        for headers in ({"x-session-id": "s-1"}, {}):
            body = {**CHAT[1], "model": "model"}
            assert (await post(platform.port, CHAT[0], body, headers)).status == 200
        assert [call.session for call in platform.calls] == ["s-1", None]
