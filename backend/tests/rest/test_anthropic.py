"""POST /v1/messages over scripted providers: events in their exact order, headers, errors, who may call."""

import asyncio
import json
from typing import Any

import pytest

from app.domain.errors import (
    BudgetExceeded,
    ContextLengthExceeded,
    ErrorKind,
    PlatformError,
    RateLimited,
    UpstreamUnavailable,
)
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
from tests.servers.raw_client import connection, get, post, request_bytes

PATH = "/v1/messages"
ASKED = {"model": "model", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**ASKED, "stream": True}
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


def events(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for frame in body.decode().removesuffix("\n\n").split("\n\n"):
        name, data = frame.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def test_every_event_in_its_place() -> None:
    async with gateway(ScriptedProvider(EVERYTHING)) as platform:
        reply = await post(platform.port, PATH, STREAM)
    assert reply.headers["content-type"].startswith("text/event-stream")
    found = events(reply.body)
    assert all(name == value["type"] for name, value in found)
    start = {"type": "message_start", "message": found[0][1]["message"]}
    assert [value for _, value in found] == [
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
        "id": "chatcmpl-1",
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
                "id": "chatcmpl-1",
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
        streamed = events((await post(platform.port, PATH, STREAM)).body)[-2][1]["delta"]
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
        found = [value for _, value in events((await post(platform.port, PATH, STREAM)).body)]
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


@pytest.mark.parametrize("silence_first", [False, True], ids=["after an event", "after a ping"])
async def test_a_failure_under_way_is_an_error_event(silence_first: bool) -> None:
    pause = asyncio.Event()
    error = UpstreamUnavailable("'scripted' broke off.", provider="scripted")
    script: list[Step] = [pause, error] if silence_first else [START, TextDelta(text="Hel"), error]
    async with (
        gateway(ScriptedProvider(script), comment_seconds=0.01) as platform,
        connection(platform.port) as (reader, writer),
    ):
        writer.write(request_bytes(PATH, json.dumps(STREAM).encode(), headers={"x-request-id": "mine"}))
        if silence_first:
            await reader.readuntil(b'event: ping\ndata: {"type": "ping"}\n\n')
            pause.set()
        answer = await reader.readuntil(b"0\r\n\r\n")
    _, _, frame = answer.rpartition(b"event: error\n")
    assert json.loads(frame.removeprefix(b"data: ").partition(b"\n\n")[0]) == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "'scripted' broke off."},
        "request_id": "mine",
    }
    assert b"message_stop" not in answer


async def test_an_end_by_an_error_is_an_error() -> None:
    async with gateway(ScriptedProvider([START, TextDelta(text="a"), Finished(reason="error")])) as platform:
        assert (await post(platform.port, PATH, ASKED)).status == 500
        assert events((await post(platform.port, PATH, STREAM)).body)[-1][0] == "error"


@pytest.mark.parametrize("kind", list(ErrorKind))
async def test_every_kind_of_error_has_its_body(kind: ErrorKind) -> None:
    class Unheard(PlatformError):
        pass

    Unheard.kind = kind
    async with gateway(ScriptedProvider([Unheard("Why.")])) as platform:
        reply = await post(platform.port, PATH, ASKED)
        assert reply.status >= 400
        assert reply.json() == {
            "type": "error",
            "error": {"type": reply.json()["error"]["type"], "message": "Why."},
            "request_id": reply.headers["request-id"],
        }


async def test_a_limit_says_when_to_come_back_and_a_spent_budget_does_not() -> None:
    async with gateway(ScriptedProvider([RateLimited("Slow.", retry_after=2.5)])) as platform:
        reply = await post(platform.port, PATH, ASKED)
        assert (reply.status, reply.headers["retry-after"]) == (429, "3")
        assert reply.json()["error"]["type"] == "rate_limit_error"
    async with gateway(ScriptedProvider([BudgetExceeded("Spent.")])) as platform:
        reply = await post(platform.port, PATH, ASKED)
        assert (reply.status, "retry-after" in reply.headers) == (400, False)


async def test_a_prompt_that_is_too_long_is_told_in_the_words_that_agents_know() -> None:
    async with gateway(ScriptedProvider([ContextLengthExceeded("5 of 4 tokens.")])) as platform:
        reply = await post(platform.port, PATH, ASKED)
        assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
        assert reply.json()["error"]["message"].startswith("prompt is too long")


BAD = {
    "not JSON": (b"{", 400, "invalid_request_error"),
    "no limit": (json.dumps({**ASKED, "max_tokens": None}).encode(), 400, "invalid_request_error"),
    "no messages": (json.dumps({**ASKED, "messages": []}).encode(), 400, "invalid_request_error"),
    "an unknown model": (json.dumps({**ASKED, "model": "nothing"}).encode(), 404, "not_found_error"),
    "too large": (b" " * (1 << 20) + b"{", 413, "request_too_large"),
    "too deep": (b'{"model":"model","x":' + b"[" * 99 + b"]" * 99 + b"}", 400, "invalid_request_error"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "status", "kind"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("path", [PATH, f"{PATH}/count_tokens"])
async def test_a_bad_request_is_told_what_to_change(path: str, body: bytes, status: int, kind: str) -> None:
    async with gateway() as platform:
        reply = await post(platform.port, path, body)
        if b'"max_tokens": null' in body and path != PATH:
            assert reply.status == 200
            return
        assert (reply.status, reply.json()["error"]["type"]) == (status, kind)
        assert reply.json()["request_id"] == reply.headers["request-id"]
        assert platform.provider.exchanges == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "wrong"}, 401),
        ({"x-api-key": "key"}, 200),
        ({"authorization": "Bearer key"}, 200),
        ({"authorization": "Bearer key", "x-api-key": "key"}, 200),
        ({"authorization": "Bearer key", "x-api-key": "other"}, 401),
    ],
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}?beta=true", f"{PATH}/count_tokens?beta=true"])
async def test_either_header_holds_the_key(path: str, headers: dict[str, str], status: int) -> None:
    async with gateway(key="key") as platform:
        reply = await post(platform.port, path, ASKED, headers)
        assert reply.status == status
        if status == 401:
            assert reply.json()["error"]["type"] == "authentication_error"
            assert reply.json()["request_id"] == reply.headers["request-id"]


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


@pytest.mark.parametrize("path", [PATH, f"{PATH}/batches", f"{PATH}/count_tokens"])
async def test_what_is_not_there_is_told_in_the_same_words(path: str) -> None:
    async with gateway() as platform:
        reply = await get(platform.port, path)
        assert reply.json()["type"] == "error"
        assert reply.json()["request_id"] == reply.headers["request-id"]
        assert reply.status == (404 if path.endswith("batches") else 405)
