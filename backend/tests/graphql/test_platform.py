"""The whole platform with its demo model: in this process, and in one of its own that is told to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.api.websocket.server import uvicorn_options
from app.bootstrap import Platform
from app.settings import load_settings
from tests.graphql.client import connected
from tests.servers.asking import becomes, status_of
from tests.servers.echo_peer import echo_peer
from tests.servers.platform_process import platform_process
from tests.servers.raw_client import Reply, get, post
from tests.servers.serving import serving

TELL = """
subscription {
  generate(model: "demo", prompt: "What is a pod?", options: {temperature: 0, maxOutputTokens: 12}) {
    ... on TextDelta { text }
    ... on Done { finishReason usage { outputTokens } }
  }
}
"""


@asynccontextmanager
async def running(folder: Path, **environ: str) -> AsyncIterator[int]:
    """A platform started as app.main does it; yields its port."""
    overrides = {"server.grpc_port": 0}
    platform = Platform(lambda: load_settings(None, {"HOME": str(folder), **environ}, overrides))
    await platform.start()
    try:
        await becomes(lambda: _settled(platform), 20.0)
        async with serving(platform.app, **uvicorn_options(1 << 20)) as port:
            yield port
    finally:
        await platform.stop()


async def _settled(platform: Platform) -> bool:
    return platform.manager.status_of("graphql").state in ("ready", "disabled")


async def ask(port: int, query: str) -> Reply:
    return await post(port, "/graphql", {"query": query})


async def test_the_demo_model_is_loaded_asked_and_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path) as port:
        loaded = (await ask(port, 'mutation { loadModel(id: "demo") { id status } }')).json()
        assert loaded["data"] == {"loadModel": {"id": "demo", "status": "LOADED"}}
        shown = (await ask(port, '{ model(id: "demo") { status provider } }')).json()
        assert shown["data"] == {"model": {"status": "LOADED", "provider": "custom_models"}}
        told = (
            await ask(
                port,
                'mutation { generateText(model: "demo", prompt: "What is a pod?", options: {temperature: 0, '
                "maxOutputTokens: 12}) { text tokens cost usage { outputTokens } } }",
            )
        ).json()["data"]["generateText"]
        assert told["text"]
        async with connected(f"ws://127.0.0.1:{port}/graphql") as client:
            await client.subscribe(TELL)
            *pieces, end = [each for each in await client.until_end() if each["type"] == "next"]
            events = [each["payload"]["data"]["generate"] for each in pieces]
            assert "".join(event.get("text", "") for event in events) == told["text"]
            done = end["payload"]["data"]["generate"]
            assert done["usage"]["outputTokens"] == told["usage"]["outputTokens"] > 0
        let_go = (await ask(port, 'mutation { unloadModel(id: "demo") { status } }')).json()
        assert let_go["data"] == {"unloadModel": {"status": "UNLOADED"}}
        assert (await ask(port, "{ requests { status tokens } }")).json()["data"]["requests"][0]["status"] == "ok"


async def test_what_only_developers_need_is_off_in_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    schema, browser = "{ __schema { queryType { name } } }", {"Accept": "text/html"}
    async with running(tmp_path) as port:
        assert (await ask(port, schema)).json()["data"]
        assert (await get(port, "/graphql", browser)).status == 200
    async with running(tmp_path, LLM_PLATFORM_ENV="production") as port:
        assert "data" not in (await ask(port, schema)).json()
        assert (await get(port, "/graphql", browser)).status == 405


async def test_it_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path, GRAPHQL_ENABLED="false") as port:
        reply = await ask(port, "{ models { id } }")
        assert (reply.status, reply.json()["error"]["code"]) == (404, "front_end_off")


async def test_an_answer_under_way_ends_before_a_stopping_process_does(tmp_path: Path) -> None:
    hold = asyncio.Event()
    async with echo_peer(hold=hold) as peer:
        (tmp_path / "llm-platform.yaml").write_text(
            f'integrations: {{peer: {{kind: openai_compatible, settings: {{base_url: "{peer.url}"}}}}}}\n'
        )
        async with platform_process(tmp_path) as platform, asyncio.timeout(20):
            await becomes(lambda: _serves(platform.port), 20.0)
            async with connected(f"ws://127.0.0.1:{platform.port}/graphql") as client:
                await client.subscribe(
                    'subscription { generate(model: "echo", prompt: "What is a pod?") { ... on TextDelta { text } '
                    "... on Done { finishReason } } }"
                )
                await client.subscribe("subscription { metrics { active } }", id="endless")
                await client.receive()
                platform.process.send_signal(signal.SIGTERM)
                while await client.receive() != {"id": "endless", "type": "complete"}:
                    pass
                hold.set()
                assert (await client.until_end())[-1] == {"id": "1", "type": "complete"}
                assert (await client.closed())[0] == 1001
            assert await platform.process.wait() == 0


async def _serves(port: int) -> bool:
    state: str = (await status_of(port, "graphql"))["state"]
    return state == "ready"
