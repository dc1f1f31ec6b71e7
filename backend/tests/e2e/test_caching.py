"""A whole platform with a cache before a scripted upstream, asked by the official client."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.integration.accounts.rooms import process
from tests.servers.asking import becomes, status_of
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.raw_client import Reply, connection, post, request_bytes
from tests.servers.redis_server import RedisServer, running_redis
from tests.servers.scripted import ScriptedServer, Step, json_reply, sse_reply

KEY, SECRET = "master-key", "s" * 32
CHAT = "/v1/chat/completions"
MESSAGES: list[Any] = [{"role": "user", "content": "What is a pod?"}]
WHOLE = (
    b'{"id":"chatcmpl-7","object":"chat.completion","created":1,"model":"large","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"A group of containers."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":4,"total_tokens":9}}'
)


def chunk(delta: bytes, finish: bytes = b"null") -> bytes:
    return (
        b'data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1,"model":"large",'
        b'"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n' % (delta, finish)
    )


WORDS = ["A ", "group", " of", "  containers."]
FRAMES = [
    chunk(b'{"role":"assistant","content":""}'),
    *(chunk(b'{"content":"%b"}' % word.encode()) for word in WORDS),
    chunk(b"{}", b'"stop"'),
    b"data: [DONE]\n\n",
]

CONFIGURATION = """
data_dir: {folder}
auth: {{key_secret: {secret}}}
cache: {{store: {store}}}
integrations:
  custom_models: {{enabled: false}}
  upstream:
    kind: openai_compatible
    settings: {{base_url: "{upstream}", models: [large], discover: false}}
models:
  smart: {{targets: upstream/large, cache: true}}
  common: {{targets: upstream/large, cache: {{shared: true}}}}
  plain: upstream/large
"""


class Scene:
    def __init__(self, upstream: ScriptedServer, platform: PlatformProcess, key: str = KEY) -> None:
        self.upstream = upstream
        self.platform = platform
        self._headers = {"Authorization": f"Bearer {key}"}

    @property
    def asked(self) -> int:
        return len(self.upstream.requests_to(CHAT))

    async def post(self, key: str | None = None, **fields: Any) -> Reply:
        body = {"model": "smart", "messages": MESSAGES, **fields}
        headers = self._headers if key is None else {"Authorization": f"Bearer {key}"}
        return await post(self.platform.port, CHAT, body, headers)


@asynccontextmanager
async def scene(
    folder: Path, *steps: Step, redis: str | None = None, begin: asyncio.Event | None = None
) -> AsyncIterator[Scene]:
    """`steps`: of the upstream's stream; without them it answers at once. `begin`: what it waits for."""
    async with ScriptedServer() as upstream:
        if steps:
            upstream.on("POST", CHAT, sse_reply(*steps))
        else:
            answer = json_reply(WHOLE)
            upstream.on("POST", CHAT, type(answer)(answer.status, answer.headers, answer.steps, hold=begin))
        async with running(folder, upstream, redis) as platform:
            yield Scene(upstream, platform)
            assert await platform.stop() == 0
            assert "defect" not in platform.log()
            assert "Traceback" not in platform.log()


@asynccontextmanager
async def running(folder: Path, upstream: ScriptedServer, redis: str | None) -> AsyncIterator[PlatformProcess]:
    folder.mkdir(exist_ok=True)
    values = {
        "folder": folder,
        "secret": SECRET,
        "upstream": upstream.url,
        "store": "redis" if redis else "memory",
    }
    (folder / "llm-platform.yaml").write_text(CONFIGURATION.format(**values))
    environment = {"LLM_PLATFORM_API_KEY": KEY, **({"REDIS_URL": redis} if redis else {})}
    async with platform_process(folder, environment=environment) as platform:
        yield platform


def asked_once(first: Reply, second: Reply) -> bool:
    """The second comes from the cache, or from the first while that is still being kept."""
    told = [each.headers["x-llm-cache"] for each in (first, second)]
    return told in (["miss", "hit"], ["miss", "coalesced"])


async def test_the_client_asks_twice_and_the_upstream_is_asked_once(tmp_path: Path) -> None:
    async with (
        scene(tmp_path) as here,
        AsyncOpenAI(base_url=f"{here.platform.url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        completions = client.chat.completions
        first, second = [
            await completions.with_raw_response.create(model="smart", messages=MESSAGES) for _ in range(2)
        ]
        assert (first.parse(), first.text) == (second.parse(), second.text)
        assert asked_once(first, second)
        assert second.headers["x-llm-provider"] == "cache"
        assert here.asked == 1
        await completions.create(model="smart", messages=MESSAGES, temperature=0.5)
        anew = await completions.create(
            model="smart", messages=MESSAGES, extra_headers={"cache-control": "no-cache"}
        )
        assert (here.asked, anew.id) == (3, "chatcmpl-7")
        for _ in range(2):
            await completions.create(model="plain", messages=MESSAGES)
        assert here.asked == 5


async def test_a_stream_is_given_again_byte_for_byte_and_as_a_stream(tmp_path: Path) -> None:
    async with (
        scene(tmp_path, *FRAMES) as here,
        AsyncOpenAI(base_url=f"{here.platform.url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        first, second = [await here.post(stream=True) for _ in range(2)]
        assert first.body == second.body == b"".join(FRAMES)
        assert asked_once(first, second)
        assert second.headers["content-type"] == first.headers["content-type"]
        for _ in range(2):
            stream = await client.chat.completions.create(model="smart", messages=MESSAGES, stream=True, seed=1)
            words = [each.choices[0].delta.content async for each in stream]
            assert words == ["", *WORDS, None]
        assert here.asked == 2


async def test_fifty_at_once_are_one_upstream_request(tmp_path: Path) -> None:
    begin, go = asyncio.Event(), asyncio.Event()
    async with scene(tmp_path / "streamed", *FRAMES[:2], go, *FRAMES[2:]) as here:
        replies = [asyncio.create_task(here.post(stream=True)) for _ in range(50)]
        await here.upstream.arrived(CHAT)
        go.set()
        assert {reply.body for reply in await asyncio.gather(*replies)} == {b"".join(FRAMES)}
        assert here.asked == 1
    async with scene(tmp_path / "whole", begin=begin) as here:
        replies = [asyncio.create_task(here.post()) for _ in range(50)]
        await here.upstream.arrived(CHAT)
        begin.set()
        done = await asyncio.gather(*replies)
        assert {reply.body for reply in done} == {WHOLE}
        assert here.asked == 1
        told = [reply.headers["x-llm-cache"] for reply in done]
        assert (told.count("miss"), told.count("coalesced") + told.count("hit")) == (1, 49)


async def test_when_all_leave_the_upstream_hears_of_it_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path, *FRAMES[:2], asyncio.Event()) as here, AsyncExitStack() as callers:
        body = json.dumps({"model": "smart", "messages": MESSAGES, "stream": True}).encode()
        raw = request_bytes(CHAT, body, headers={"Authorization": f"Bearer {KEY}"})
        for _ in range(3):
            reader, writer = await callers.enter_async_context(connection(here.platform.port))
            writer.write(raw)
            await reader.readuntil(WORDS[0].encode())
        assert (here.asked, here.upstream.left.is_set()) == (1, False)
        await callers.aclose()
        async with asyncio.timeout(0.5):
            await here.upstream.left.wait()
        await becomes(lambda: _log_has(here, '"outcome":"cancelled"', 3))


async def _log_has(here: Scene, words: str, times: int) -> bool:
    return here.platform.log().count(words) == times


async def test_keys_share_nothing_unless_the_model_says_so(tmp_path: Path) -> None:
    async with process({"data_dir": str(tmp_path)}, SECRET.encode()) as accounts:
        ann, bob = [(await accounts.issue(name=name))[0] for name in ("ann", "bob")]
    async with scene(tmp_path) as here:
        told = [
            (await here.post(key, model=model)).headers["x-llm-cache"]
            for model in ("smart", "common")
            for key in (ann, bob, ann, bob, KEY)
        ]
        assert told == ["miss", "miss", "hit", "hit", "miss", "miss", "hit", "hit", "hit", "hit"]
        assert here.asked == 4


async def test_platforms_share_what_is_kept_in_redis(tmp_path: Path) -> None:
    async with running_redis() as redis, AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedServer())
        upstream.on("POST", CHAT, sse_reply(*FRAMES))
        one, other = [
            Scene(upstream, await stack.enter_async_context(running(tmp_path / name, upstream, redis.url)))
            for name in ("one", "other")
        ]
        for each in (one, other):
            await becomes(lambda each=each: _redis_is(each, "ready"))
        first = await one.post(stream=True)
        second = await other.post(stream=True)
        assert second.body == first.body == b"".join(FRAMES)
        assert (second.headers["x-llm-cache"], one.asked) == ("hit", 1)


async def _redis_is(here: Scene, *states: str) -> bool:
    headers = {"Authorization": f"Bearer {KEY}"}
    return (await status_of(here.platform.port, "redis", headers))["state"] in states


class Steady:
    """Callers that ask all the time, half of them what was asked before."""

    def __init__(self, here: Scene, lanes: int = 4) -> None:
        self._here = here
        self.replies: list[Reply] = []
        self.longest = 0.0
        self._tasks = [asyncio.create_task(self._lane(lane)) for lane in range(lanes)]

    async def _lane(self, lane: int) -> None:
        loop, number = asyncio.get_running_loop(), 0
        while True:
            number += 1
            began = loop.time()
            self.replies.append(await self._here.post(seed=number // 2 * 10 + lane))
            self.longest = max(self.longest, loop.time() - began)

    async def more(self, count: int) -> None:
        wanted = len(self.replies) + count
        async with asyncio.timeout(20):
            while len(self.replies) < wanted:  # noqa: ASYNC110 - what is waited for is told by nobody
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes), outcomes


@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_no_request_fails_whatever_becomes_of_redis(tmp_path: Path, how: str) -> None:
    """R4. The requests of one whole outage, and what the log says of it."""
    async with running_redis() as redis, scene(tmp_path, redis=redis.url) as here:
        await becomes(lambda: _redis_is(here, "ready"))
        steady = Steady(here)
        await steady.more(50)
        await _go(redis, how)
        await becomes(lambda: _log_has(here, "goes on without it", 1), 1.5)
        await steady.more(100)
        during = steady.replies[-50:]
        await _come(redis, how)
        await becomes(lambda: _log_has(here, "'redis' is back after", 1), 5.0)
        await steady.more(50)
        await steady.end()
        assert {reply.status for reply in steady.replies} == {200}
        # Repetitions are known to the process itself meanwhile.
        assert {reply.headers["x-llm-cache"] for reply in during} == {"miss", "hit"}
        assert steady.longest < 1.0
        lines = [line for line in here.platform.log().splitlines() if "redis" in line]
        # One line a change, and no others.
        assert all(re.search(r"goes on without it|is back after|redis: \w+ -> \w+", line) for line in lines)


async def _go(redis: RedisServer, how: str) -> None:
    if how == "frozen":
        redis.freeze()
    else:
        await redis.kill()


async def _come(redis: RedisServer, how: str) -> None:
    if how == "frozen":
        redis.thaw()
    else:
        await redis.start()


async def test_a_platform_without_its_redis_starts_serves_and_says_so(tmp_path: Path) -> None:
    async with running_redis() as redis:
        await redis.kill()
        async with scene(tmp_path, redis=redis.url) as here:
            assert asked_once(await here.post(), await here.post())
            assert here.asked == 1
            await becomes(lambda: _redis_is(here, "retrying"))
            status = await status_of(here.platform.port, "redis", {"Authorization": f"Bearer {KEY}"})
            assert "can't be reached" in status["reason"]
            await redis.start()
            await becomes(lambda: _redis_is(here, "ready"), 5.0)
            assert asked_once(await here.post(), await here.post())
