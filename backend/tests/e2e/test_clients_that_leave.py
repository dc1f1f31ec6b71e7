"""R10: a client that leaves closes the upstream within half a second, whatever phase its request is in."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil
import pytest
import pytest_asyncio

from tests.servers.asking import CHAT, MESSAGES, becomes, chat
from tests.servers.chaos import NO_TROUBLE, ChaosProxy, Trouble, chaos_proxy
from tests.servers.ollama_engines import ScriptedEngine
from tests.servers.ollama_fake import OllamaFake
from tests.servers.ollama_models import FakeModel
from tests.servers.openai_peer import OpenAIPeer
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.raw_client import connection, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMISE = 0.5
"""Seconds."""

CONFIGURATION = """
integrations:
  peer:
    kind: openai_compatible
    health_check_interval: 0
    settings: {{base_url: "{proxy}", api_key: peer-key, models: [platform-demo], discover: false}}
  deaf:
    kind: openai_compatible
    health_check_interval: 0
    settings: {{base_url: "http://127.0.0.1:{deaf}", models: [any], discover: false}}
  ollama:
    settings: {{base_url: "{ollama}"}}
"""


class Stage(NamedTuple):
    platform: PlatformProcess
    proxy: ChaosProxy
    ollama: OllamaFake
    deaf_port: int


@contextmanager
def port_that_never_accepts() -> Iterator[int]:
    """A listener whose queue is full: to connect to it takes for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        yield address[1]
        for each in waiting:
            each.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, openai_peer: OpenAIPeer) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("leaving")
    ollama = OllamaFake(FakeModel("chat"), engine=ScriptedEngine(hold=asyncio.Event()))
    with port_that_never_accepts() as deaf:
        async with ollama, chaos_proxy(int(openai_peer.url.rpartition(":")[2])) as proxy:
            (folder / "llm-platform.yaml").write_text(
                CONFIGURATION.format(proxy=proxy.url, deaf=deaf, ollama=ollama.base_url)
            )
            async with platform_process(folder) as platform:
                yield Stage(platform, proxy, ollama, deaf)
                assert await platform.stop() == 0
                assert "defect" not in platform.log()


async def leave_after(
    port: int, body: dict[str, object], arrived: Callable[[], object], first_bytes: bytes = b""
) -> None:
    """Ask, wait until `arrived()` holds and `first_bytes` were answered, and hang up."""
    async with connection(port) as (reader, writer):
        writer.write(request_bytes(CHAT, json.dumps({"messages": MESSAGES, **body}).encode()))

        async def there() -> object:
            return arrived()

        await becomes(there)
        if first_bytes:
            async with asyncio.timeout(5):
                await reader.readuntil(first_bytes)


def connecting(stage: Stage) -> list[object]:
    """The platform's connections to the port that never accepts."""
    open_ones = psutil.Process(stage.platform.process.pid).net_connections("tcp")
    return [each for each in open_ones if each.raddr and each.raddr.port == stage.deaf_port]


@pytest.mark.parametrize("stream", [False, True])
async def test_while_the_platform_connects(stage: Stage, stream: bool) -> None:
    body = {"model": "deaf/any", "stream": stream}
    await leave_after(stage.platform.port, body, lambda: connecting(stage))

    async def closed() -> bool:
        return not connecting(stage)

    await becomes(closed, PROMISE)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("trouble", [Trouble("silence"), Trouble("silence", after=60)], ids=str)
async def test_while_the_first_byte_is_awaited(stage: Stage, stream: bool, trouble: Trouble) -> None:
    await no_connections(stage.proxy)
    stage.proxy.trouble = trouble
    await leave_after(
        stage.platform.port, {"model": "peer/platform-demo", "stream": stream}, lambda: stage.proxy.open
    )
    await no_connections(stage.proxy, PROMISE)


@pytest.mark.parametrize("stream", [False, True])
async def test_in_the_middle_of_an_answer(stage: Stage, stream: bool) -> None:
    """A stream that has begun; and an answer that does not stream, of which a part has come."""
    await no_connections(stage.proxy)
    stage.proxy.trouble = Trouble("silence", after=900 if stream else 200)
    body = {"model": "peer/platform-demo", "stream": stream, "max_tokens": 200}
    await leave_after(
        stage.platform.port, body, lambda: stage.proxy.open, first_bytes=b"content" if stream else b""
    )
    await no_connections(stage.proxy, PROMISE)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_format_that_is_translated(stage: Stage, stream: bool) -> None:
    """Ollama is always asked for a stream; it notices that nobody reads it any more."""
    engine = stage.ollama.engine
    assert isinstance(engine, ScriptedEngine)
    engine.speaking.clear()
    await leave_after(stage.platform.port, {"model": "ollama/chat", "stream": stream}, engine.speaking.is_set)
    async with asyncio.timeout(PROMISE):
        assert await stage.ollama.left.get() == "/api/chat"


async def test_the_embedded_runtime_stops_writing(stage: Stage) -> None:
    """Its places are free again at once: twice as many as it has are abandoned, then one is served."""
    stage.proxy.trouble = NO_TROUBLE
    for _ in range(8):
        await leave_after(
            stage.platform.port,
            {"model": "demo", "stream": True, "max_tokens": 900, "logit_bias": {"2": -100}},
            lambda: True,
            first_bytes=b"content",
        )
    async with asyncio.timeout(2 * PROMISE):
        assert (await chat(stage.platform.port, "demo", max_tokens=3)).status == 200


async def test_the_next_request_is_served_and_the_calls_are_on_record(stage: Stage) -> None:
    stage.proxy.trouble = NO_TROUBLE
    await no_connections(stage.proxy)
    assert (await chat(stage.platform.port, "peer/platform-demo", max_tokens=3)).status == 200

    async def recorded() -> bool:  # the log's lines are gathered for a moment
        return stage.platform.log().count('"outcome":"cancelled"') >= 10

    await becomes(recorded, 5.0)


async def no_connections(proxy: ChaosProxy, seconds: float = 20.0) -> None:
    async def none() -> bool:
        return not proxy.open

    await becomes(none, seconds)
