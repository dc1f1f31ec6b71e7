"""From nothing to an answer: a model is found on a Hub, fetched and asked; and what of that a SIGKILL leaves."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.integrations.model_platforms.local_models.registry import DEMO_PATH
from tests.servers.asking import becomes, chat, model_names
from tests.servers.hub_fake import Fault, HubFake, Repo
from tests.servers.platform_process import Finished, PlatformProcess, platform_process, run_command
from tests.servers.raw_client import Reply, get, post

FILE = "fetched-Q8_0.gguf"
MODEL = "fetched-Q8_0"
DEMO = DEMO_PATH.read_bytes()
HALF = 512 * 1024


@pytest.fixture
async def hub() -> AsyncIterator[HubFake]:
    async with HubFake(Repo("org/fetched-GGUF", {FILE: DEMO}, ["gguf", "license:mit"], downloads=3)) as fake:
        yield fake


def environment(hub: HubFake) -> dict[str, str]:
    watch = "LLM_PLATFORM_INTEGRATIONS__CUSTOM_MODELS__SETTINGS__WATCH_SECONDS"
    return {"HF_ENDPOINT": hub.url, watch: "0.1"}


def part(folder: Path) -> int:
    """How much of the file came."""
    return sum(path.stat().st_size for path in folder.rglob("*.part"))


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


async def test_a_model_is_found_fetched_and_asked(hub: HubFake, tmp_path: Path) -> None:
    async with platform_process(tmp_path, "--workers", "2", environment=environment(hub)) as platform:

        async def run(*arguments: str) -> Finished:
            url = {"LLM_PLATFORM_URL": platform.url}
            return await run_command(tmp_path, *arguments, environment=url, seconds=60.0)

        found = await run("models", "search", "fetched")
        assert "hf:org/fetched-GGUF" in found.out, found.err
        hub.faults[FILE] = fault = Fault(after=HALF, hold=asyncio.Event())
        pulling = asyncio.create_task(run("models", "pull", "hf:org/fetched-GGUF"))
        async with asyncio.timeout(60):
            await fault.held.wait()
        for _ in range(4):  # whichever worker is asked
            job = await job_of(platform)
            assert (job["state"], job["details"]["revision"]) == ("running", hub.repos["org/fetched-GGUF"].commit)
        assert MODEL not in await model_names(platform.port)
        assert fault.hold is not None
        fault.hold.set()
        pulled = await pulling
        assert (pulled.code, pulled.out.splitlines()[-1]) == (0, "hf:org/fetched-GGUF is here."), pulled.err
        assert await said(platform, MODEL) == await said(platform, "demo") != ""
        assert (await run("models", "rm", "hf:org/fetched-GGUF")).code == 0
        assert not list(tmp_path.rglob(FILE))
        assert await platform.stop() == 0


async def test_a_pull_goes_on_after_a_sigkill_and_nothing_half_made_is_offered(
    hub: HubFake, tmp_path: Path
) -> None:
    hub.faults[FILE] = fault = Fault(after=HALF, hold=asyncio.Event())
    async with platform_process(tmp_path, environment=environment(hub)) as platform:
        begun = await post(platform.port, "/models/pull", {"model": "hf:org/fetched-GGUF"})
        assert begun.status == 202
        async with asyncio.timeout(60):
            await fault.held.wait()

        async def half() -> bool:
            return part(tmp_path) >= HALF

        await becomes(half, 30.0)
        fetching = psutil.Process(platform.process.pid).children(recursive=True)
        platform.process.kill()
        await platform.process.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, fetching, 5.0)
        assert fetching
        assert not alive
    hub.faults[FILE] = fault = Fault(hold=asyncio.Event())
    async with platform_process(tmp_path, environment=environment(hub)) as platform:
        async with asyncio.timeout(60):
            await fault.held.wait()
        job = await job_of(platform)
        assert (job["id"], job["state"], job["resumed"]) == (begun.json()["id"], "running", 1)
        assert MODEL not in await model_names(platform.port)
        assert not [path for path in tmp_path.rglob(FILE) if ".hub" not in path.parts]
        assert fault.hold is not None
        fault.hold.set()

        async def done() -> bool:
            return (await job_of(platform))["state"] == "done"

        await becomes(done, 30.0)
        assert hub.fetched(FILE) == ["", f"bytes={HALF}-"]
        assert await said(platform, MODEL) == await said(platform, "demo") != ""
