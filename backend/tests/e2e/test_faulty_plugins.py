"""R12, from outside: plugins that hang wherever a plugin can; the platform starts, serves, tells, and stops."""

import signal
import time
from pathlib import Path

import pytest

from tests.servers.asking import becomes, chat, status_of
from tests.servers.platform_process import platform_process
from tests.servers.raw_client import get

ENTRY_POINTS = """[app.integrations]
faulty = app.testing.faults:FaultIntegration
slow_import = slow_to_import:Plugin
"""
CONFIGURATION = """
integrations:
  hangs_in_initialize: {kind: faulty, settings: {initialize: hang}}
  hangs_hard: {kind: faulty, settings: {initialize: hang_hard}}
  hangs_in_checks: {kind: faulty, health_check_interval: 0.1, settings: {health_check: hang}}
  hangs_at_the_end: {kind: faulty, settings: {shutdown: hang_hard}}
  crashes: {kind: faulty, settings: {initialize: crash}}
  exits: {kind: faulty, settings: {initialize: exit}}
  waits_for_a_crash: {kind: faulty, dependencies: [crashes]}
  never_imported: {kind: slow_import}
  unknown: {kind: nobody_has_this}
"""
EXPECTED = {
    "hangs_in_initialize": ("initializing", ""),
    "hangs_hard": ("initializing", ""),
    "hangs_in_checks": ("ready", ""),
    "hangs_at_the_end": ("ready", ""),
    "crashes": ("failed", "crashed on demand"),
    "exits": ("failed", "exit"),
    "waits_for_a_crash": ("blocked", "crashes"),
    "never_imported": ("initializing", ""),
    "unknown": ("failed", "nobody_has_this"),
    "custom_models": ("ready", ""),
    "openai_api": ("ready", ""),
    "anthropic_api": ("ready", ""),
}


AS_EVER = {"LLM_PLATFORM_SERVER__START_SECONDS": "1"}
"""Others wait for what is slow to start."""


@pytest.fixture
def packages(tmp_path: Path) -> str:
    """A folder with an installed package that offers the kinds of the configuration."""
    site = tmp_path / "site"
    metadata = site / "faulty-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    (site / "slow_to_import.py").write_text("import threading\nthreading.Event().wait()\n")
    (tmp_path / "llm-platform.yaml").write_text(CONFIGURATION)
    return str(site)


async def test_the_others_serve_and_status_says_which_and_why(tmp_path: Path, packages: str) -> None:
    began = time.monotonic()
    async with platform_process(tmp_path, environment=AS_EVER, python_path=packages) as platform:
        assert time.monotonic() - began < 10.0
        assert (await chat(platform.port, "demo", max_tokens=3)).status == 200
        for name, (state, reason) in EXPECTED.items():
            status = await status_of(platform.port, name)
            assert (name, status["state"]) == (name, state)
            assert reason in status["reason"]
        health = (await get(platform.port, "/integrations/health")).json()
        assert health["status"] == "degraded"
        assert {"crashes", "exits", "unknown", "hangs_hard"} <= health["troubled"].keys()
        assert (await chat(platform.port, "demo", max_tokens=3)).status == 200
        began = time.monotonic()
        assert await platform.stop() == 0
        # The longest that one may take to shut down, and a little for being cancelled.
        assert time.monotonic() - began < 19.0


async def test_one_that_hangs_can_be_taken_out_by_a_reload(tmp_path: Path, packages: str) -> None:
    async with platform_process(tmp_path, environment=AS_EVER, python_path=packages) as platform:
        (tmp_path / "llm-platform.yaml").write_text("integrations: {crashes: {kind: faulty}}\n")
        platform.process.send_signal(signal.SIGHUP)

        async def mended() -> bool:
            return bool((await status_of(platform.port, "crashes"))["state"] == "ready")

        await becomes(mended, 15.0)
        assert (await get(platform.port, "/integrations/hangs_hard/status")).status == 404
        assert (await chat(platform.port, "demo", max_tokens=3)).status == 200
