"""Clients that were written for Node: installed once per lock file, and run as small scripts that print JSON."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import KEY
from tests.servers.platform_process import PlatformProcess

HERE = Path(__file__).parent
MANIFESTS = ("package.json", "package-lock.json")
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
Script = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The folders of scripts here, where Node finds the clients beside them."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            reason = f"{program} is not installed: on Debian, apt-get install nodejs npm"
            # There nothing is left out.
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    folder = tmp_path_factory.mktemp("scripts")
    for name in ("anthropic", "openai"):
        shutil.copytree(HERE / name, folder / name)
    (folder / "node_modules").symlink_to(_installed(pytestconfig.cache.mkdir("node-clients")), True)
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


def _installed(cache: Path) -> Path:
    """node_modules as the lock file has them. Of two runs that make them at once, the first to end is kept."""
    lock = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in MANIFESTS)).hexdigest()
    wanted = cache / lock[:16]
    if not wanted.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            making = Path(temporary, "clients")
            making.mkdir()
            for name in MANIFESTS:
                shutil.copy(HERE / name, making)
            subprocess.run(INSTALL, cwd=making, check=True, timeout=240)
            with suppress(OSError):
                making.rename(wanted)
    return wanted / "node_modules"
