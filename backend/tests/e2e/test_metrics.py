"""Metrics of several workers: whichever is asked tells of all, exactly, and nothing goes back when one dies."""

import asyncio
from pathlib import Path

import psutil

from tests.servers.asking import becomes, chat
from tests.servers.echo_peer import echo_peer
from tests.servers.platform_process import PlatformProcess, platform_process
from tests.servers.raw_client import get
from tests.servers.scraped import Scraped

WORKERS = 2


async def scrape(platform: PlatformProcess) -> Scraped:
    return Scraped((await get(platform.port, "/metrics")).body.decode())


def workers(platform: PlatformProcess) -> list[int]:
    children = psutil.Process(platform.process.pid).children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


async def asked(platform: PlatformProcess, calls: int) -> None:
    """Each over a connection of its own, so that all workers have some."""
    replies = await asyncio.gather(*(chat(platform.port, "peer/echo") for _ in range(calls)))
    assert [reply.status for reply in replies] == [200] * calls


async def _dead(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_whichever_worker_is_asked_tells_of_all_also_of_those_that_died(tmp_path: Path) -> None:
    async with echo_peer() as peer:
        settings = f'{{kind: openai_compatible, settings: {{base_url: "{peer.url}"}}}}'
        (tmp_path / "llm-platform.yaml").write_text(
            f"integrations: {{custom_models: {{enabled: false}}, peer: {settings}}}"
        )
        async with platform_process(tmp_path, "--workers", str(WORKERS)) as platform:

            async def all_there() -> bool:
                found = await scrape(platform)
                ready = found("llm_integration_state", integration="peer", state="ready")
                return (found("llm_processes"), ready) == (WORKERS, WORKERS)

            async def total() -> float:
                return (await scrape(platform))("llm_requests_total", model="echo", status="ok")

            async def all_written() -> bool:
                return (await scrape(platform))("llm_ledger_waiting_bytes") == 0

            await becomes(all_there, 20.0)
            await asked(platform, 60)
            await becomes(all_written, 20.0)
            found = await scrape(platform)
            assert found("llm_ledger_failing") == found("llm_ledger_lost_calls") == 0
            assert {await total() for _ in range(2 * WORKERS)} == {60}
            assert (await scrape(platform))("process_resident_memory_bytes") > WORKERS * 20_000_000
            victim = psutil.Process(workers(platform)[0])
            victim.kill()
            await becomes(lambda: _dead(victim))
            told = [await total() for _ in range(5)]
            await asked(platform, 20)
            told += [await total() for _ in range(5)]
            assert told == [60] * 5 + [80] * 5
            assert (await scrape(platform))("llm_request_duration_seconds_count", model="echo") == 80
