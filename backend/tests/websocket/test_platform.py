"""The platform as its users start it, with its own demo model, over WebSocket."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import connect

from tests.servers.echo_peer import echo_peer
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.websocket.gateway import Client, text

MANUAL = Path(__file__).parents[3] / "docs" / "websocket.md"


@asynccontextmanager
async def opened(platform: PlatformProcess, path: str) -> AsyncIterator[Client]:
    async with connect(f"ws://127.0.0.1:{platform.port}{path}", proxy=None) as connection:
        yield Client(connection)


async def test_the_demo_model_answers_and_is_seen_to_load(tmp_path: Path) -> None:
    async with platform_process(tmp_path) as platform:
        async with opened(platform, "/ws/models") as models, opened(platform, "/ws/metrics") as metrics:
            (demo,) = (await models.frame())["models"]
            assert (demo["id"], demo["provider"], demo["status"]) == ("demo", "custom_models", "unloaded")
            assert (await metrics.frame())["metrics"]["total"]["requests"] == 0
            async with opened(platform, "/ws/chat") as chat:
                frames = await chat.ask(message="What is a pod?", model="demo", max_tokens=24, history=True)
                assert text(frames)
                assert frames[-1]["usage"]["completion_tokens"] <= 24
                again = await chat.ask(message="And a node?", model="demo", max_tokens=8, history=True)
                assert again[-1]["history"]["messages"] == 4
                assert again[-1]["usage"]["prompt_tokens"] > frames[-1]["usage"]["total_tokens"]
            while (status := (await models.frame())["model"]["status"]) != "loaded":
                assert status == "loading"
            while (shown := await metrics.frame())["metrics"]["total"]["requests"] < 2:
                assert shown["type"] == "change"
        assert await platform.stop() == 0
        assert "defect" not in platform.log()


async def test_the_example_of_the_manual_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", MANUAL.read_text("utf-8"), flags=re.DOTALL)
    async with platform_process(tmp_path) as platform, asyncio.timeout(20):
        code = example.replace("localhost:8000", f"127.0.0.1:{platform.port}")
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert (process.returncode, bool(out.strip())) == (0, True)


async def test_an_answer_under_way_finishes_before_the_end(tmp_path: Path) -> None:
    hold = asyncio.Event()
    async with echo_peer(hold=hold) as peer:
        settings = {"kind": "openai_compatible", "settings": {"base_url": peer.url}}
        (tmp_path / "llm-platform.yaml").write_text(json.dumps({"integrations": {"peer": settings}}))
        async with platform_process(tmp_path) as platform, asyncio.timeout(20):
            async with opened(platform, "/ws/chat") as busy, opened(platform, "/ws/chat") as idle:
                await busy.send(message="What is a pod?", model="echo", id="a")
                first = await busy.frame()
                platform.process.send_signal(signal.SIGTERM)
                assert await idle.closed() == 1001
                hold.set()
                frames = [first, *await busy.frames("a")]
                assert "pod?" in text(frames)
                assert frames[-1]["type"] == "done"
                assert await busy.closed() == 1001
            assert await platform.stop() == 0
            assert "defect" not in platform.log()
