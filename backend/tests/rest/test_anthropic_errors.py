"""What may go wrong with POST /v1/messages, before an answer and within, and who may call."""

import asyncio
import json

import pytest

from app.domain.errors import (
    BudgetExceeded,
    ContextLengthExceeded,
    ErrorKind,
    PlatformError,
    RateLimited,
    UpstreamUnavailable,
)
from app.domain.events import Finished, TextDelta
from app.testing.providers import ScriptedProvider, Step
from tests.rest.gateway import START, gateway
from tests.rest.messages import ASKED, PATH, STREAM
from tests.servers.raw_client import connection, get, post, request_bytes
from tests.wire.anthropic_frames import events_of


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
        assert events_of((await post(platform.port, PATH, STREAM)).body)[-1]["type"] == "error"


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


@pytest.mark.parametrize("path", [PATH, f"{PATH}/batches", f"{PATH}/count_tokens"])
async def test_what_is_not_there_is_told_in_the_same_words(path: str) -> None:
    async with gateway() as platform:
        reply = await get(platform.port, path)
        assert reply.json()["type"] == "error"
        assert reply.json()["request_id"] == reply.headers["request-id"]
        assert reply.status == (404 if path.endswith("batches") else 405)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/count_tokens", "/v1/models", "/v1/models/model"])
async def test_a_front_end_that_is_switched_off_is_not_there(path: str) -> None:
    version = {"anthropic-version": "2023-06-01"}
    async with gateway(front_ends=["openai_api"]) as platform:
        asking = get(platform.port, path, version) if "models" in path else post(platform.port, path, ASKED)
        reply = await asking
        assert (reply.status, reply.json()["error"]["type"]) == (404, "not_found_error")
        assert (await get(platform.port, "/v1/models")).status == 200
        assert platform.provider.exchanges == []
