"""The cache as callers of HTTP see it: headers, and answers that are the same to the byte."""

import asyncio

import pytest

from app.api.cache_control import cache_control
from app.domain.events import Opaque
from app.inference.policy import CachePolicy, ModelPolicy, RoutingPolicy
from app.inference.routes import Routing
from app.testing.providers import ScriptedProvider, Step
from tests.rest.gateway import ANSWER, CHAT, eventually, gateway
from tests.servers.raw_client import Reply, post

PATH = "/v1/chat/completions"
STREAM = {**CHAT, "stream": True}
CACHED = Routing(policy=RoutingPolicy(default=ModelPolicy(retries=0, cache=CachePolicy())))
FRAMES: list[Step] = [
    Opaque("openai_chat", b'data: {"id":"a","choices":[]}\n\n'),
    Opaque("openai_chat", b": comment\n\n" + b'data: {"b":  2}\n\n'),
    Opaque("openai_chat", b"data: [DONE]\n\n", last=True),
]
MESSAGES = {"model": "model", "max_tokens": 9, "messages": CHAT["messages"]}
RESPONSES = {"model": "model", "input": "hi", "store": False}


def told(reply: Reply) -> tuple[str | None, str, str]:
    headers = reply.headers
    return headers.get("x-llm-cache"), headers["x-llm-provider"], headers["x-llm-attempts"]


@pytest.mark.parametrize(
    ("path", "body", "script"),
    [
        (PATH, CHAT, ANSWER),
        (PATH, STREAM, ANSWER),
        (PATH, STREAM, FRAMES),
        (PATH, CHAT, [Opaque("openai_chat", b'{ "as": "it is"}', whole=True)]),
        ("/v1/completions", {"model": "model", "prompt": "hi"}, ANSWER),
        ("/v1/messages", MESSAGES, ANSWER),
        ("/v1/messages", {**MESSAGES, "stream": True}, ANSWER),
    ],
    ids=["chat", "chat, streamed", "frames", "a whole body", "completions", "messages", "messages, streamed"],
)
async def test_the_same_again_is_the_same_to_the_byte(path: str, body: object, script: list[Step]) -> None:
    provider = ScriptedProvider(script)
    async with gateway(provider, routing=CACHED) as platform:
        first = await post(platform.port, path, body)
        second = await post(platform.port, path, body, {"x-request-id": "mine"})
        assert (second.status, second.body) == (200, first.body)
        assert (told(first), told(second)) == (("miss", "scripted", "1"), ("hit", "cache", "0"))
        assert second.headers["content-type"] == first.headers["content-type"]
        assert second.headers["x-request-id"] == "mine" != first.headers["x-request-id"]
        assert float(second.headers["x-llm-overhead-ms"]) >= 0
        assert len(provider.exchanges) == 1


async def test_a_response_is_another_one_each_time_though_its_answer_is_the_same() -> None:
    """Its id is what callers go on from."""
    async with gateway(routing=CACHED) as platform:
        replies = [await post(platform.port, "/v1/responses", RESPONSES) for _ in range(2)]
        first, second = (reply.json() for reply in replies)
        assert [reply.headers["x-llm-cache"] for reply in replies] == ["miss", "hit"]
        assert first["output"][0]["content"] == second["output"][0]["content"]
        assert first["id"] != second["id"]


async def test_those_who_wait_for_anothers_answer_are_told_so() -> None:
    begin = asyncio.Event()
    provider = ScriptedProvider([begin, *ANSWER])
    async with gateway(provider, routing=CACHED) as platform:
        tasks = [asyncio.create_task(post(platform.port, PATH, CHAT)) for _ in range(5)]
        await eventually(lambda: provider.exchanges)
        begin.set()
        replies = await asyncio.gather(*tasks)
        assert sorted(map(told, replies)) == [("coalesced", "cache", "0")] * 4 + [("miss", "scripted", "1")]
        # How long the platform itself took can't be told apart from how long the answer did.
        assert ["x-llm-overhead-ms" in reply.headers for reply in replies].count(True) == 1
        assert len({reply.body for reply in replies}) == 1


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("no-cache", [("miss", "scripted", "1"), ("hit", "cache", "0")]),
        ("max-age=0", [("miss", "scripted", "1"), ("hit", "cache", "0")]),
        ("no-store", [(None, "scripted", "1"), ("hit", "cache", "0")]),
        ("max-age=60", [("hit", "cache", "0"), ("hit", "cache", "0")]),
    ],
)
async def test_a_caller_may_ask_for_no_kept_answer(header: str, wanted: list[object]) -> None:
    async with gateway(routing=CACHED) as platform:
        await post(platform.port, PATH, CHAT)
        asked = await post(platform.port, PATH, CHAT, {"cache-control": header})
        assert [told(asked), told(await post(platform.port, PATH, CHAT))] == wanted


async def test_a_model_without_a_cache_says_nothing_of_one() -> None:
    async with gateway() as platform:
        for _ in range(2):
            assert told(await post(platform.port, PATH, CHAT)) == (None, "scripted", "1")


@pytest.mark.parametrize(
    ("value", "wish"),
    [
        (None, None),
        (b"", None),
        (b"no-cache", "no-cache"),
        (b"No-Cache , max-age=3", "no-cache"),
        (b"max-age=0", "no-cache"),
        (b"no-cache, no-store", "no-store"),
        (b"max-age=00, private, no-transform", None),
        (b"\xff,=", None),
    ],
)
def test_what_a_cache_control_means(value: bytes | None, wish: str | None) -> None:
    assert cache_control(value) == wish
