"""Clients that were written for Node: installed once per lock file, and run as small scripts that print JSON."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import KEY
from tests.servers.node import installed, need_node
from tests.servers.platform_process import PlatformProcess

HERE = Path(__file__).parent
Script = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The folders of scripts here, where Node finds the clients beside them."""
    need_node()
    folder = tmp_path_factory.mktemp("scripts")
    for name in ("anthropic", "openai"):
        shutil.copytree(HERE / name, folder / name)
    (folder / "node_modules").symlink_to(installed(HERE, pytestconfig.cache.mkdir("node-clients")), True)
    return folder


@pytest.fixture(scope="session")
def script(platform: PlatformProcess, scripts: Path) -> Script:
    """`await script("openai/chat", model)`: what that script prints, asked of the platform."""
    places = {
        "ANTHROPIC_BASE_URL": platform.url,
        "ANTHROPIC_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{platform.url}/v1",
        "OPENAI_API_KEY": KEY,
    }

    async def run(name: str, model: str = "demo") -> Any:
        return await _printed(scripts / f"{name}.mjs", model, {"PATH": os.environ["PATH"], **places})

    return run


async def _printed(path: Path, model: str, environment: Mapping[str, str]) -> Any:
    process = await asyncio.create_subprocess_exec(
        "node", path, model, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)
