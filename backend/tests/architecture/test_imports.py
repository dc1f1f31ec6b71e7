"""Importing does nothing: no I/O beyond the import system, no heavy library before it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    *("grpc", "xllamacpp", "numpy", "gguf", "torch", "safetensors", "typer", "rich", "strawberry", "graphql"),
    *("sqlalchemy", "alembic", "asyncpg", "aiosqlite", "jwt", "cryptography", "prometheus_client"),
)

UNASKED = (
    "strawberry",
    "graphql",
    "aiohttp",
    "numpy",
    "gguf",
    "torch",
    "huggingface_hub",
    "opentelemetry.sdk",
    "redis",
)
"""What a platform with every default on does without until somebody asks for what needs it."""

IDLE = """
import asyncio, sys
from app.bootstrap import Platform
from app.settings import load_settings

async def start():
    platform = Platform(lambda: load_settings(None, {{}}, {{"server.grpc_port": 0, "data_dir": {folder!r}}}))
    await platform.start()
    await platform.accounts.allowances.known()  # by now the database is open, too
    serving = [one.name for one in platform.manager.status() if one.state.serves]
    print([name for name in {unasked!r} if name in sys.modules], "graphql" in serving)
    await platform.stop()

asyncio.run(start())
"""

QUIET = """
import builtins, os, socket, subprocess, sys, threading
import {module}  # once, so that the libraries have done what they do on import
ours = [name for name in sys.modules if name == "app" or name.startswith("app.")]
for name in ours:
    del sys.modules[name]

def forbidden(*args, **kwargs):
    raise AssertionError(f"import has a side effect: {{args}}")

socket.socket = subprocess.Popen = os.fork = threading.Thread.start = forbidden
import {module}
"""


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("module", ["app.main", "app.cli"])
def test_import_has_no_side_effects(module: str) -> None:
    run(QUIET.format(module=module))


def test_the_platform_starts_without_the_heavy_libraries() -> None:
    heavy = run(f"import sys, app.main; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert heavy.strip() == "[]"


def test_an_idle_platform_has_not_loaded_what_nobody_asked_for(tmp_path: Path) -> None:
    assert run(IDLE.format(folder=str(tmp_path), unasked=UNASKED)).splitlines()[-1] == "[] True"
