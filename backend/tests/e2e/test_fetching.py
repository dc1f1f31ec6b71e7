"""From nothing to an answer: a model is found on a Hub, fetched and asked; and what of that a SIGKILL leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.integrations.model_platforms.local_models.registry import DEMO_PATH
from tests.servers.asking import becomes, chat, model_names
from tests.servers.hub_fake import Fault, HubFake, Repo
from tests.servers.platform_process import Finished, PlatformProcess, platform_process, run_command
from tests.servers.raw_client import Reply, get

FILE = "fetched-Q8_0.gguf"
MODEL = "fetched-Q8_0"
NAME = "hf:org/fetched-GGUF"
DEMO = DEMO_PATH.read_bytes()
HALF = 512 * 1024


@pytest.fixture
async def hub() -> AsyncIterator[HubFake]:
    async with HubFake(Repo("org/fetched-GGUF", {FILE: DEMO}, ["gguf", "license:mit"], downloads=3)) as fake:
        yield fake


def environment(hub: HubFake, watched: str = "0.1") -> dict[str, str]:
    watch = "LLM_PLATFORM_INTEGRATIONS__CUSTOM_MODELS__SETTINGS__WATCH_SECONDS"
    return {"HF_ENDPOINT": hub.url, watch: watched}


async def half(folder: Path) -> bool:
    """Whether so much of the file is on disk."""
    return sum(path.stat().st_size for path in folder.rglob("*.part")) >= HALF


async def job_of(platform: PlatformProcess) -> dict[str, Any]:
    jobs: list[dict[str, Any]] = (await get(platform.port, "/models/jobs")).json()["jobs"]
    [job] = jobs
    return job


async def said(platform: PlatformProcess, model: str) -> str:
    """Its answer, once whichever worker is asked has found it."""
    replies: list[Reply] = []

    async def answered() -> bool:
        replies.append(await chat(platform.port, model, temperature=0))
        return replies[-1].status == 200

    await becomes(answered, 30.0)
    text: str = replies[-1].json()["choices"][0]["message"]["content"]
    return text


async def test_from_nothing_to_an_answer_with_a_sigkill_on_the_way(hub: HubFake, tmp_path: Path) -> None:
    async def run(platform: PlatformProcess, *arguments: str) -> Finished:
        return await run_command(
            tmp_path, *arguments, environment={"LLM_PLATFORM_URL": platform.url}, seconds=60.0
        )

    hub.faults[FILE] = fault = Fault(after=HALF, hold=asyncio.Event())
    async with platform_process(tmp_path, "--workers", "2", environment=environment(hub)) as platform:
        found = await run(platform, "models", "search", "fetched")
        assert NAME in found.out, found.err
        pulling = asyncio.create_task(run(platform, "models", "pull", NAME))
        async with asyncio.timeout(60):
            await fault.held.wait()
        for _ in range(4):  # whichever worker is asked
            begun = await job_of(platform)
            assert (begun["state"], begun["details"]["revision"]) == ("running", hub.repos[NAME[3:]].commit)
        await becomes(lambda: half(tmp_path), 30.0)
        own = psutil.Process(platform.process.pid)
        processes = own.children(recursive=True)
        [asking] = [each for each in processes if "hub_child.py" in " ".join(each.cmdline())]
        for process in [own, *processes]:
            if process != asking:  # it ends by itself
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, processes, 10.0)
        assert not alive
        left = await pulling
        assert (left.code, "the platform goes on" in left.err) == (1, True), left
    hub.faults[FILE] = fault = Fault(hold=asyncio.Event())
    async with platform_process(tmp_path, environment=environment(hub, "600")) as platform:
        async with asyncio.timeout(60):
            await fault.held.wait()
        job = await job_of(platform)
        assert (job["id"], job["state"], job["resumed"]) == (begun["id"], "running", 1)
        assert MODEL not in await model_names(platform.port)
        assert not [path for path in tmp_path.rglob(FILE) if ".hub" not in path.parts]
        assert fault.hold is not None
        fault.hold.set()
        pulled = await run(platform, "models", "pull", NAME)  # the same job, or what it made
        assert (pulled.code, pulled.out.splitlines()[-1]) == (0, f"{NAME} is here."), pulled.err
        assert MODEL in await model_names(platform.port)  # at once, not when the folder is looked into next
        assert hub.fetched(FILE) == ["", f"bytes={HALF}-"]
        assert await said(platform, MODEL) == await said(platform, "demo") != ""
        assert (await run(platform, "models", "rm", NAME)).code == 0
        assert not list(tmp_path.rglob(FILE))
        assert MODEL not in await model_names(platform.port)
        assert await platform.stop() == 0
        assert [line for line in platform.log().splitlines() if not line.startswith("{")] == []
