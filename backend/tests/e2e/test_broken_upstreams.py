"""R13: an upstream that breaks. Before the first byte the next target answers unseen; after it, an error event.

A real model's answers pass through a proxy that spoils them; behind it waits a second target that is sound.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.servers.asking import CHAT, MESSAGES, chat, status_of
from tests.servers.chaos import NO_TROUBLE, ChaosProxy, Trouble, chaos_proxy
from tests.servers.openai_peer import OpenAIPeer
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.raw_client import connection, read_reply, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST_TOKEN = 1.0
IDLE = 0.5
CONFIGURATION = """
timeouts: {{first_token: {first_token}, idle: {idle}, total: 20}}
routing: {{breaker: {{failures: 0}}, retry_budget: 1}}  # nothing here goes well for long
integrations:
  frail:
    kind: llamacpp  # whose connections are not pooled, so that each request meets the trouble of its time
    health_check_interval: 0
    settings: {{base_url: "{proxy}", api_key: peer-key, models: [platform-demo], discover: false}}
  sound:
    kind: openai_compatible
    settings: {{base_url: "{peer.url}", api_key: peer-key}}
models:
  both:
    - frail/platform-demo
    - {{target: sound/platform-demo, priority: 2}}
  alone: {{targets: frail/platform-demo, retries: 0}}
"""
ANSWER = {"max_tokens": 20, "temperature": 0}
HEAD_ONLY = 60
"""Bytes: within the head of llama.cpp's answer."""
WITHIN = 900
"""Bytes: behind the head and the first frames."""


class Stage(NamedTuple):
    platform: PlatformProcess
    proxy: ChaosProxy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, openai_peer: OpenAIPeer) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("chaos")
    async with chaos_proxy(int(openai_peer.url.rpartition(":")[2])) as proxy:
        (folder / "llm-platform.yaml").write_text(
            CONFIGURATION.format(peer=openai_peer, proxy=proxy.url, first_token=FIRST_TOKEN, idle=IDLE)
        )
        async with platform_process(folder) as platform:
            yield Stage(platform, proxy)
            assert await platform.stop() == 0
            assert "defect" not in platform.log()


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def trusted(stage: Stage) -> None:
    """Whatever failed in the test before, the frail target comes first again."""
    stage.proxy.trouble = NO_TROUBLE
    assert (await chat(stage.platform.port, "alone", max_tokens=1)).status == 200


BROKEN = [Trouble("fin"), Trouble("reset"), Trouble("fin", after=HEAD_ONLY), Trouble("reset", after=HEAD_ONLY)]
# An answer that does not stream has the whole `total` until it is there, so silence is tried with streams alone.
SILENT = [Trouble("silence"), Trouble("silence", after=HEAD_ONLY)]


@pytest.mark.parametrize(
    ("trouble", "stream"),
    [*((trouble, False) for trouble in BROKEN), *((trouble, True) for trouble in (*BROKEN, *SILENT))],
    ids=str,
)
async def test_before_the_first_byte_the_next_target_takes_over(
    stage: Stage, trouble: Trouble, stream: bool
) -> None:
    stage.proxy.trouble = trouble
    reply = await chat(stage.platform.port, "both", stream=stream, **ANSWER)
    assert (reply.status, reply.headers["x-llm-provider"], reply.headers["x-llm-attempts"]) == (200, "sound", "2")
    assert b"error" not in reply.body
    assert texts(reply.body) if stream else reply.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize("end", ["fin", "reset"])
async def test_an_answer_that_does_not_stream_is_whole_or_asked_for_again(stage: Stage, end: str) -> None:
    stage.proxy.trouble = Trouble(end, after=WITHIN)  # type: ignore[arg-type]
    reply = await chat(stage.platform.port, "both", **ANSWER, logprobs=True)
    assert (reply.status, reply.headers["x-llm-provider"]) == (200, "sound")
    assert reply.json()["usage"]["completion_tokens"] == 20


@pytest.mark.parametrize("end", ["fin", "reset", "silence"])
async def test_after_the_first_byte_an_error_event_ends_the_stream(stage: Stage, end: str) -> None:
    stage.proxy.trouble = Trouble(end, after=WITHIN)  # type: ignore[arg-type]
    reply = await chat(stage.platform.port, "both", stream=True, max_tokens=200, temperature=0)
    assert (reply.status, reply.headers["x-llm-provider"], reply.headers["x-llm-attempts"]) == (200, "frail", "1")
    frames = data_frames(reply.body)
    assert texts(reply.body)
    assert frames[-1] != "[DONE]"
    error = json.loads(frames[-1])["error"]
    assert error["type"] == "server_error"
    assert "'frail'" in error["message"]
    assert [frame for frame in frames if "error" in json.loads(frame)] == [frames[-1]]


@pytest.mark.parametrize("end", ["fin", "reset"])
@pytest.mark.parametrize(("stream", "after"), [(False, 0), (False, HEAD_ONLY), (True, 0), (True, HEAD_ONLY)])
async def test_with_no_other_target_the_failure_is_a_status(
    stage: Stage, end: str, stream: bool, after: int
) -> None:
    stage.proxy.trouble = Trouble(end, after=after)  # type: ignore[arg-type]
    reply = await chat(stage.platform.port, "alone", stream=stream, **ANSWER)
    assert reply.status in {502, 503}
    assert "'frail'" in reply.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("trouble", [Trouble(slices=True), Trouble(delay=0.2)], ids=str)
async def test_what_is_only_odd_is_no_failure(stage: Stage, trouble: Trouble, stream: bool) -> None:
    stage.proxy.trouble = trouble
    reply = await chat(stage.platform.port, "alone", stream=stream, **ANSWER)
    text = texts(reply.body) if stream else reply.json()["choices"][0]["message"]["content"]
    assert text == "A pod is one or more containers that live together on a node. They share"


async def test_a_silent_upstream_is_given_up_after_the_time_to_the_first_token(stage: Stage) -> None:
    stage.proxy.trouble = Trouble("silence")
    began = time.perf_counter()
    reply = await chat(stage.platform.port, "alone", stream=True, **ANSWER)
    assert reply.status == 504
    assert FIRST_TOKEN <= time.perf_counter() - began < FIRST_TOKEN + 1.0


async def test_the_state_is_told_and_the_next_request_is_served(stage: Stage) -> None:
    """A failure of one answer does not take the integration away, nor does it leave anything open."""
    stage.proxy.trouble = Trouble("reset", after=WITHIN)
    await asyncio.gather(*(chat(stage.platform.port, "both", stream=True, max_tokens=200) for _ in range(10)))
    stage.proxy.trouble = NO_TROUBLE
    assert (await status_of(stage.platform.port, "frail"))["state"] == "ready"
    reply = await chat(stage.platform.port, "alone", **ANSWER)
    assert reply.status == 200
    async with asyncio.timeout(1.0), connection(stage.platform.port) as (reader, writer):
        body = json.dumps({"model": "both", "messages": MESSAGES, **ANSWER}).encode()
        for _ in range(3):
            writer.write(request_bytes(CHAT, body))
            assert (await read_reply(reader)).headers["x-llm-provider"] == "frail"


def data_frames(body: bytes) -> list[str]:
    return [frame.removeprefix("data: ") for frame in body.decode().split("\n\n") if frame.startswith("data: ")]


def texts(body: bytes) -> str:
    chunks = [json.loads(frame) for frame in data_frames(body) if frame != "[DONE]"]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c.get("choices"))
