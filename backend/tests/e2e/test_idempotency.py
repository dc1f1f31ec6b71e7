"""Idempotency-Key over a whole platform and a scripted upstream, asked by the official clients."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, ConflictError, UnprocessableEntityError

from tests.e2e.test_caching import CHAT, FRAMES, KEY, MESSAGES, SECRET, WHOLE
from tests.integration.accounts.rooms import process
from tests.servers.asking import becomes, status_of
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.raw_client import Reply, connection, post, request_bytes
from tests.servers.redis_server import running_redis
from tests.servers.scripted import ScriptedServer, json_reply, sse_reply

CONFIGURATION = """
data_dir: {folder}
auth: {{key_secret: {secret}}}
idempotency: {{lease: 2s}}
integrations:
  custom_models: {{enabled: false}}
  database: {{settings: {{timeout: 10}}}}
  upstream:
    kind: openai_compatible
    settings: {{base_url: "{upstream}", models: [large], discover: false}}
"""
ONCE = {"idempotency-key": "order-7"}
ASKING = {"model": "large", "messages": MESSAGES}


@asynccontextmanager
async def running(
    folder: Path, upstream: ScriptedServer, redis: str | None = None
) -> AsyncIterator[PlatformProcess]:
    folder.mkdir(exist_ok=True)
    text = CONFIGURATION.format(folder=folder, secret=SECRET, upstream=upstream.url)
    (folder / "llm-platform.yaml").write_text(text)
    environment = {"LLM_PLATFORM_API_KEY": KEY, **({"REDIS_URL": redis} if redis else {})}
    async with platform_process(folder, environment=environment) as platform:
        if redis is not None:
            await becomes(lambda: _redis_serves(platform))
        yield platform
        assert "Traceback" not in platform.log()


async def _redis_serves(platform: PlatformProcess) -> bool:
    status = await status_of(platform.port, "redis", {"Authorization": f"Bearer {KEY}"})
    return bool(status["state"] == "ready")


def client(platform: PlatformProcess, key: str = KEY, max_retries: int = 0) -> AsyncOpenAI:
    http = httpx.AsyncClient(limits=httpx.Limits(max_connections=100), timeout=30)
    return AsyncOpenAI(base_url=f"{platform.url}/v1", api_key=key, max_retries=max_retries, http_client=http)


async def ask(platform: PlatformProcess, key: str = KEY, **fields: Any) -> Reply:
    headers = {"Authorization": f"Bearer {key}", **ONCE}
    return await post(platform.port, CHAT, {**ASKING, **fields}, headers)


def asked(upstream: ScriptedServer) -> int:
    return len(upstream.requests_to(CHAT))


@pytest.mark.parametrize("kept_in", ["database", "redis"])
async def test_fifty_at_once_are_one_upstream_request(tmp_path: Path, kept_in: str) -> None:
    begin = asyncio.Event()
    async with AsyncExitStack() as stack:
        redis = (await stack.enter_async_context(running_redis())).url if kept_in == "redis" else None
        upstream = await stack.enter_async_context(ScriptedServer())
        answer = json_reply(WHOLE)
        upstream.on("POST", CHAT, type(answer)(answer.status, answer.headers, answer.steps, hold=begin))
        platform = await stack.enter_async_context(running(tmp_path, upstream, redis))
        completions = (await stack.enter_async_context(client(platform))).chat.completions
        calls = [
            asyncio.create_task(completions.with_raw_response.create(**ASKING, extra_headers=ONCE))
            for _ in range(50)
        ]
        while sum(call.done() for call in calls) < 49:
            await asyncio.wait([call for call in calls if not call.done()], return_when=asyncio.FIRST_COMPLETED)
        begin.set()
        done = await asyncio.gather(*calls, return_exceptions=True)
        refused = [each for each in done if isinstance(each, ConflictError)]
        assert {each.response.headers["retry-after"] for each in refused} == {"1"}
        (first,) = (each for each in done if not isinstance(each, BaseException))
        again = await completions.with_raw_response.create(**ASKING, extra_headers=ONCE)
        assert again.text == first.text == WHOLE.decode()
        assert again.headers["idempotent-replayed"] == "true"
        assert (len(refused), asked(upstream)) == (49, 1)
        with pytest.raises(UnprocessableEntityError) as told:
            await completions.create(**ASKING, seed=7, extra_headers=ONCE)
        assert told.value.code == "idempotency_key_reused"


async def test_a_client_that_tries_again_by_itself_gets_the_answer(tmp_path: Path) -> None:
    """The official clients try again after a 409, when Retry-After says."""
    begin = asyncio.Event()
    async with ScriptedServer() as upstream, running(tmp_path, upstream) as platform:
        answer = json_reply(WHOLE)
        upstream.on("POST", CHAT, type(answer)(answer.status, answer.headers, answer.steps, hold=begin))
        async with client(platform, max_retries=5) as asking:
            calls = [
                asyncio.create_task(asking.chat.completions.create(**ASKING, extra_headers=ONCE)) for _ in range(3)
            ]
            await upstream.arrived(CHAT)
            begin.set()
            assert {(await call).id for call in calls} == {"chatcmpl-7"}
            assert asked(upstream) == 1


async def test_streams_and_messages_survive_a_restart(tmp_path: Path) -> None:
    async with ScriptedServer() as upstream:
        upstream.on("POST", CHAT, sse_reply(*FRAMES))
        told: list[Any] = []
        for _ in range(2):
            async with running(tmp_path, upstream) as platform:
                reply = await ask(platform, stream=True)
                assert reply.body == b"".join(FRAMES)
                async with AsyncAnthropic(base_url=platform.url, api_key=KEY, max_retries=0) as anthropic:
                    stream = await anthropic.messages.create(
                        model="large",
                        max_tokens=9,
                        messages=[{"role": "user", "content": "What is a pod?"}],
                        stream=True,
                        extra_headers=ONCE,
                    )
                    events = [event.to_json() async for event in stream]
                told.append((reply.headers.get("idempotent-replayed"), events))
                assert await platform.stop() == 0
        assert [replayed for replayed, _ in told] == [None, "true"]
        assert told[0][1] == told[1][1]
        assert asked(upstream) == 2


async def test_two_callers_with_one_key_never_meet(tmp_path: Path) -> None:
    async with process({"data_dir": str(tmp_path)}, SECRET.encode()) as accounts:
        ann, bob = [(await accounts.issue(name=name))[0] for name in ("ann", "bob")]
    async with ScriptedServer() as upstream, running(tmp_path, upstream) as platform:
        upstream.on("POST", CHAT, json_reply(WHOLE))
        told = [await ask(platform, key, seed=seed) for seed, key in ((1, ann), (2, bob), (1, ann), (2, bob))]
        assert [each.status for each in told] == [200] * 4
        assert [each.headers.get("idempotent-replayed") for each in told] == [None, None, "true", "true"]
        assert asked(upstream) == 2


@pytest.mark.parametrize("kept_in", ["database", "redis"])
async def test_after_a_crash_the_key_is_free_when_its_lease_ends(tmp_path: Path, kept_in: str) -> None:
    async with AsyncExitStack() as stack:
        redis = (await stack.enter_async_context(running_redis())).url if kept_in == "redis" else None
        upstream = await stack.enter_async_context(ScriptedServer())
        upstream.on("POST", CHAT, sse_reply(FRAMES[0], asyncio.Event()))
        async with running(tmp_path, upstream, redis) as platform, connection(platform.port) as (reader, writer):
            body = json.dumps({**ASKING, "stream": True}).encode()
            writer.write(request_bytes(CHAT, body, headers={"Authorization": f"Bearer {KEY}", **ONCE}))
            await reader.readuntil(b"data: ")
            platform.process.kill()
            await platform.process.wait()
        upstream.on("POST", CHAT, sse_reply(*FRAMES))
        async with running(tmp_path, upstream, redis) as platform:

            async def served() -> bool:
                reply = await ask(platform, stream=True)
                assert reply.status in (200, 409)
                return reply.status == 200

            await becomes(served, 5.0, every=0.2)
            assert (await ask(platform, stream=True)).headers["idempotent-replayed"] == "true"
            assert asked(upstream) == 2


async def test_while_redis_is_gone_a_request_with_a_key_is_not_sent(tmp_path: Path) -> None:
    async with ScriptedServer() as upstream, running_redis() as redis:
        upstream.on("POST", CHAT, json_reply(WHOLE))
        async with running(tmp_path, upstream, redis.url) as platform:
            assert (await ask(platform)).status == 200
            await redis.kill()
            refused = await ask(platform)
            assert (refused.status, refused.json()["error"]["code"]) == (503, "idempotency_unavailable")
            assert int(refused.headers["retry-after"]) >= 1
            plain = await post(platform.port, CHAT, ASKING, {"Authorization": f"Bearer {KEY}"})
            assert (plain.status, asked(upstream)) == (200, 2)
