"""A platform that is killed in the middle of a conversion: nothing half-made is offered, and none of it stays."""

import asyncio
from contextlib import suppress
from pathlib import Path

import psutil

from tests.servers.asking import becomes, chat
from tests.servers.demo_checkpoint import write_deep
from tests.servers.platform_process import platform_process
from tests.servers.raw_client import get

LAYERS = 80  # so that a conversion takes longer than it takes to see that it has begun


async def status(port: int, model: str) -> str:
    listed = (await get(port, "/models")).json()["models"]
    [told] = [each["status"] for each in listed if each["id"] == model]
    return str(told)


async def test_a_sigkill_in_the_middle_leaves_nothing_half_made(tmp_path: Path) -> None:
    write_deep(tmp_path / "models" / "deep", LAYERS)
    folders = {"CUSTOM_MODELS_DIR": str(tmp_path / "models"), "LLM_PLATFORM_DATA_DIR": str(tmp_path / "data")}
    environment = {**folders, "GRAPHQL_ENABLED": "false", "GRPC_ENABLED": "false"}
    converted = tmp_path / "data" / "converted-models"

    async def begun() -> bool:
        return any(path.stat().st_size for path in converted.glob(".*.unfinished"))

    async with platform_process(tmp_path, environment=environment) as platform:
        asking = asyncio.create_task(chat(platform.port, "deep", max_tokens=1))
        await becomes(begun, 30.0, every=0.005)
        own = psutil.Process(platform.process.pid)
        processes = [own, *own.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await asyncio.to_thread(psutil.wait_procs, processes, 10.0)
        with suppress(ConnectionError, EOFError):
            await asking
    assert [path.suffix for path in converted.iterdir()] == [".unfinished"]
    async with platform_process(tmp_path, environment=environment) as platform:
        assert list(converted.iterdir()) == []
        assert await status(platform.port, "deep") == "unloaded"
        assert (await chat(platform.port, "deep", max_tokens=1)).status == 200
        assert [path.suffix for path in converted.iterdir()] == [".gguf"]
        assert await platform.stop() == 0
