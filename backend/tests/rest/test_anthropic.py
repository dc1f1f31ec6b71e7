"""POST /v1/messages over scripted providers: events in their exact order, whole answers, bytes handed on."""

import asyncio
import json
from typing import Any

import pytest

from app.domain.errors import PlatformError
from app.domain.events import (
    Finished,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage
from app.testing.providers import ScriptedProvider, Step
from tests.rest.gateway import START, eventually, gateway
from tests.rest.messages import ASKED, PATH, STREAM
from tests.servers.raw_client import connection, post, request_bytes
from tests.wire.anthropic_frames import events_of

USAGE = UsageReported(usage=Usage(input_tokens=13, output_tokens=5, cached_tokens=8, reasoning_tokens=2))
EVERYTHING: list[Step] = [
    START,
    ReasoningDelta(text="Let me "),
    ReasoningDelta(text="see"),
    ReasoningDelta(text="", signature="c2ln"),
    TextDelta(text="I'll "),
    TextDelta(text="look."),
    ToolCallStarted(index=0, id="call_1", name="read"),
    ToolCallDelta(index=0, arguments='{"path":'),
    ToolCallDelta(index=0, arguments=' "a.py"}'),
    ToolCallStarted(index=1, id="call_2", name="list"),
    ToolCallDelta(index=1, arguments="{}"),
    Finished(reason="tool_calls"),
    USAGE,
]


async def test_every_event_in_its_place() -> None:
    async with gateway(ScriptedProvider(EVERYTHING)) as platform:
        reply = await post(platform.port, PATH, STREAM)
    assert reply.headers["content-type"].startswith("text/event-stream")
    found = events_of(reply.body)
    start = {"type": "message_start", "message": found[0]["message"]}
    assert found == [
        start,
        _begun(0, {"type": "thinking", "thinking": "", "signature": ""}),
        {"type": "ping"},
        _delta(0, {"type": "thinking_delta", "thinking": "Let me "}),
        _delta(0, {"type": "thinking_delta", "thinking": "see"}),
        _delta(0, {"type": "signature_delta", "signature": "c2ln"}),
        _ended(0),
        _begun(1, {"type": "text", "text": ""}),
        _delta(1, {"type": "text_delta", "text": "I'll "}),
        _delta(1, {"type": "text_delta", "text": "look."}),
        _ended(1),
        _begun(2, {"type": "tool_use", "id": "call_1", "name": "read", "input": {}}),
        _delta(2, {"type": "input_json_delta", "partial_json": '{"path":'}),
        _delta(2, {"type": "input_json_delta", "partial_json": ' "a.py"}'}),
        _ended(2),
        _begun(3, {"type": "tool_use", "id": "call_2", "name": "list", "input": {}}),
        _delta(3, {"type": "input_json_delta", "partial_json": "{}"}),
        _ended(3),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {
                "input_tokens": 5,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 8,
                "output_tokens": 5,
                "output_tokens_details": {"thinking_tokens": 2},
            },
        },
        {"type": "message_stop"},
    ]
    message = start["message"]
    assert {name: message[name] for name in message if name != "usage"} == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "model",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _begun(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _ended(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


async def test_a_whole_answer() -> None:
    async with gateway(ScriptedProvider(EVERYTHING)) as platform:
        reply = await post(platform.port, PATH, ASKED, {"x-request-id": "mine-1"})
        assert (reply.status, reply.json()) == (
            200,
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "model",
                "content": [
                    {"type": "thinking", "thinking": "Let me see", "signature": "c2ln"},
                    {"type": "text", "text": "I'll look."},
                    {"type": "tool_use", "id": "call_1", "name": "read", "input": {"path": "a.py"}},
                    {"type": "tool_use", "id": "call_2", "name": "list", "input": {}},
                ],
                "stop_reason": "tool_use",
                "stop_sequence": None,
                "usage": {
                    "input_tokens": 5,
                    "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 8,
                    "output_tokens": 5,
                    "output_tokens_details": {"thinking_tokens": 2},
                },
            },
        )
        assert reply.headers["request-id"] == reply.headers["x-request-id"] == "mine-1"
        assert reply.headers["x-llm-provider"] == "scripted"
        assert platform.records[0].front_end == "anthropic_api"


@pytest.mark.parametrize(
    ("end", "reason", "stop_sequence"),
    [
        ([Finished(reason="stop")], "end_turn", None),
        ([Finished(reason="stop", stop_sequence="END")], "stop_sequence", "END"),
        ([Finished(reason="length")], "max_tokens", None),
        ([Finished(reason="content_filter")], "refusal", None),
        ([RefusalDelta(text="No."), Finished(reason="stop")], "refusal", None),
        ([ToolCallStarted(index=0, id="c", name="f"), Finished(reason="stop")], "tool_use", None),
    ],
)
async def test_stop_reasons(end: list[Step], reason: str, stop_sequence: str | None) -> None:
    async with gateway(ScriptedProvider([START, TextDelta(text="a"), *end])) as platform:
        whole = (await post(platform.port, PATH, ASKED)).json()
        streamed = events_of((await post(platform.port, PATH, STREAM)).body)[-2]["delta"]
        for found in (whole, streamed):
            assert (found["stop_reason"], found["stop_sequence"]) == (reason, stop_sequence)


async def test_calls_whose_fragments_alternate_become_blocks_one_after_the_other() -> None:
    script: list[Step] = [
        START,
        ToolCallStarted(index=0, id="a", name="f"),
        ToolCallDelta(index=0, arguments='{"x"'),
        ToolCallStarted(index=1, id="b", name="g"),
        ToolCallDelta(index=1, arguments='{"y"'),
        ToolCallDelta(index=0, arguments=":1}"),
        ToolCallDelta(index=1, arguments=":2}"),
        Finished(reason="tool_calls"),
    ]
    async with gateway(ScriptedProvider(script)) as platform:
        found = events_of((await post(platform.port, PATH, STREAM)).body)
    blocks = [value for value in found if value["type"].startswith("content_block")]
    assert [value["index"] for value in blocks] == [0, 0, 0, 0, 1, 1, 1, 1]
    pieces: dict[int, str] = {0: "", 1: ""}
    for value in blocks:
        if value["type"] == "content_block_delta":
            pieces[value["index"]] += value["delta"]["partial_json"]
    assert pieces == {0: '{"x":1}', 1: '{"y":2}'}


async def test_arguments_that_are_no_json_fail_a_whole_answer() -> None:
    script: list[Step] = [START, ToolCallStarted(index=0, id="c", name="f"), ToolCallDelta(index=0, arguments="{")]
    async with gateway(ScriptedProvider([*script, Finished(reason="tool_calls")])) as platform:
        reply = await post(platform.port, PATH, ASKED)
        assert (reply.status, reply.json()["error"]["type"]) == (500, "api_error")


async def test_a_provider_that_speaks_the_format_gets_bytes_and_headers_and_gives_bytes() -> None:
    body = (
        b'{ "max_tokens":16, "model" : "scripted/model", "messages":[{"role":"user","content":"hi"}], "new": 1.50}'
    )
    sent = {"anthropic-version": "2023-06-01", "anthropic-beta": "made-up-2030-01-01", "x-app": "cli"}
    script: list[Step] = [Opaque("anthropic_messages", b'{"odd" :  "spacing"}', whole=True)]
    async with gateway(ScriptedProvider(script)) as platform:
        reply = await post(platform.port, f"{PATH}?beta=true", body, sent)
        assert (reply.status, reply.body) == (200, b'{"odd" :  "spacing"}')
        (exchange,) = platform.provider.exchanges
        assert exchange.body_as("anthropic_messages") == body.replace(b"scripted/model", b"model")
        assert exchange.encoded is not None
        assert exchange.encoded.headers == (
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "made-up-2030-01-01"),
        )


async def test_a_tool_that_only_anthropic_runs_is_refused() -> None:
    tools = [{"type": "web_search_20260318", "name": "web_search"}]
    async with gateway() as platform:
        await post(platform.port, PATH, {**ASKED, "tools": tools})
        (exchange,) = platform.provider.exchanges
        with pytest.raises(PlatformError, match="web_search_20260318"):
            _ = exchange.request


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("phase", ["waiting for the first event", "in the middle"])
async def test_a_client_that_leaves_closes_the_upstream(stream: bool, phase: str) -> None:
    forever = asyncio.Event()
    before: tuple[Step, ...] = () if phase.startswith("waiting") else (START, TextDelta(text="Hel"))
    provider = ScriptedProvider([*before, forever])
    async with gateway(provider) as platform:
        async with connection(platform.port) as (reader, writer):
            writer.write(request_bytes(PATH, json.dumps({**ASKED, "stream": stream}).encode()))
            await eventually(lambda: provider.exchanges)
            if stream and before:
                await reader.readuntil(b'"Hel"')
        await eventually(lambda: provider.closed)
        await eventually(lambda: platform.records)
        assert platform.records[0].outcome == "cancelled"
