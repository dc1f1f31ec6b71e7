"""Idempotency-Key as callers of HTTP see it, in each dialect."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from app.accounts.limits.admission import Admission
from app.accounts.limits.memory import MemoryLimits
from app.accounts.limits.shared import SharedLimits
from app.accounts.limits.tiers import Tiers
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import ContextLengthExceeded, PermissionDenied, UpstreamUnavailable
from app.domain.events import Opaque
from app.domain.limits import Rate, Tier
from app.domain.usage import Usage
from app.inference.stages.admit import Admit
from app.testing.providers import ScriptedProvider, Step
from tests.rest.gateway import ANSWER, CHAT, eventually, gateway
from tests.servers.raw_client import Reply, get, post

PATH = "/v1/chat/completions"
KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
FRAMES: list[Step] = [
    Opaque("openai_chat", b'data: {"id":"a","choices":[]}\n\n'),
    Opaque("openai_chat", b": comment\n\n" + b'data: {"b":  2}\n\n'),
    Opaque("openai_chat", b"data: [DONE]\n\n", last=True),
]
MESSAGES = {"model": "model", "max_tokens": 9, "messages": CHAT["messages"]}
RESPONSES = {"model": "model", "input": "hi", "store": False}
VECTOR = EmbeddingResult(model="model", vectors=((0.5, 1.0),), usage=Usage(input_tokens=1, output_tokens=0))
REQUESTS: list[tuple[str, Mapping[str, Any], list[Step]]] = [
    (PATH, CHAT, [*ANSWER]),
    (PATH, {**CHAT, "stream": True}, [*ANSWER]),
    (PATH, {**CHAT, "stream": True}, FRAMES),
    (PATH, CHAT, [Opaque("openai_chat", b'{ "as": "it is"}', whole=True)]),
    ("/v1/completions", {"model": "model", "prompt": "hi"}, [*ANSWER]),
    ("/v1/embeddings", {"model": "model", "input": "hi"}, [VECTOR]),
    ("/v1/messages", MESSAGES, [*ANSWER]),
    ("/v1/messages", {**MESSAGES, "stream": True}, [*ANSWER]),
    ("/v1/responses", RESPONSES, [*ANSWER]),
    ("/v1/responses", {**RESPONSES, "stream": True}, [*ANSWER]),
]


@pytest.mark.parametrize(("path", "body", "script"), REQUESTS)
async def test_the_same_again_is_the_same_to_the_byte(
    path: str, body: Mapping[str, Any], script: list[Step]
) -> None:
    provider = ScriptedProvider(script)
    async with gateway(provider) as platform:
        first, second = [await post(platform.port, path, body, KEY) for _ in range(2)]
        assert (second.status, second.body) == (first.status, first.body)
        assert first.status == 200
        assert second.headers["content-type"] == first.headers["content-type"]
        told = [
            (each.headers.get("idempotent-replayed"), each.headers["x-llm-attempts"]) for each in (first, second)
        ]
        assert told == [(None, "1"), ("true", "0")]
        await post(platform.port, path, body)
        assert len(provider.exchanges) == 2
        assert [each.cached for each in platform.records] == [None, "replayed", None]


ENDPOINTS = [(PATH, CHAT), ("/v1/messages", MESSAGES)]


def error(reply: Reply) -> tuple[int, str, str | None]:
    told = reply.json()["error"]
    return reply.status, told["type"], told.get("code")


@pytest.mark.parametrize(
    ("path", "body", "in_use", "reused"),
    [
        (
            PATH,
            CHAT,
            (409, "invalid_request_error", "idempotency_key_in_use"),
            (422, "invalid_request_error", "idempotency_key_reused"),
        ),
        ("/v1/messages", MESSAGES, (409, "conflict_error", None), (422, "invalid_request_error", None)),
    ],
    ids=["openai", "anthropic"],
)
async def test_each_dialect_has_its_words(
    path: str, body: Mapping[str, Any], in_use: tuple[object, ...], reused: tuple[object, ...]
) -> None:
    go = asyncio.Event()
    provider = ScriptedProvider([go, *ANSWER])
    async with gateway(provider) as platform:
        first = asyncio.create_task(post(platform.port, path, body, KEY))
        await eventually(lambda: provider.exchanges)
        second = await post(platform.port, path, body, KEY)
        assert (error(second), second.headers["retry-after"]) == (in_use, "1")
        other = await post(platform.port, path, {**body, "temperature": 0.5}, KEY)
        assert error(other) == reused
        go.set()
        assert (await first).status == 200
        assert len(provider.exchanges) == 1


@pytest.mark.parametrize("value", ["", "a" * 256, "schlüssel", "a\tb"])
async def test_what_is_no_key(value: str) -> None:
    async with gateway() as platform:
        reply = await post(platform.port, PATH, CHAT, {"Idempotency-Key": value})
        assert error(reply) == (400, "invalid_request_error", "invalid_idempotency_key")
        assert platform.provider.exchanges == []


@pytest.mark.parametrize(
    ("failure", "status", "asked"),
    [
        (ContextLengthExceeded("Too long."), 400, 1),
        (UpstreamUnavailable("Away."), 503, 2),
        (PermissionDenied("No."), 403, 2),
    ],
)
async def test_a_refusal_for_good_is_told_again(failure: Exception, status: int, asked: int) -> None:
    provider = ScriptedProvider([failure])
    async with gateway(provider) as platform:
        first, second = [await post(platform.port, PATH, CHAT, KEY) for _ in range(2)]
        assert (first.status, second.status, second.body) == (status, status, first.body)
        assert len(provider.exchanges) == asked
        assert second.headers.get("idempotent-replayed") == ("true" if asked == 1 else None)


async def test_the_same_key_at_two_endpoints_is_two_keys() -> None:
    async with gateway() as platform:
        for path, body in (*ENDPOINTS, ("/chat/completions", CHAT)):
            assert (await post(platform.port, path, body, KEY)).status == 200
        assert len(platform.provider.exchanges) == 2  # without its version it is the same endpoint


async def test_an_answer_that_is_given_again_counts_as_a_request_and_takes_no_tokens() -> None:
    tier = Tier(name="t", rates=(Rate(unit="requests", limit=3), Rate(unit="tokens", limit=300)))
    admission = Admission(Tiers([tier], "t"), SharedLimits(MemoryLimits(clock=lambda: 0.0)))
    async with gateway(stages=[Admit(admission, lambda: 270)]) as platform:
        left = []
        for _ in range(3):
            reply = await post(platform.port, PATH, CHAT, KEY)
            assert reply.status == 200
            await eventually(lambda: platform.records[-1:])
            left.append(reply.headers["x-ratelimit-remaining-requests"])
        assert left == ["2", "1", "0"]
        assert reply.headers["x-ratelimit-remaining-tokens"] == "295"
        refused = await post(platform.port, PATH, CHAT, KEY)
        assert (refused.status, len(platform.provider.exchanges)) == (429, 1)


async def test_the_document_tells_of_it() -> None:
    async with gateway() as platform:
        paths = (await get(platform.port, "/openapi.json")).json()["paths"]
        for path, _, _ in REQUESTS:
            assert "idempotency-key" in [each["name"] for each in paths[path]["post"]["parameters"]]
