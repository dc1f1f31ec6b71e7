"""Importing does nothing: no I/O beyond the import system, no heavy library before it is needed."""

import subprocess
import sys

import pytest

HEAVY = (
    *("grpc", "xllamacpp", "numpy", "gguf", "torch", "safetensors", "typer", "rich", "strawberry", "graphql"),
    *("sqlalchemy", "alembic", "asyncpg", "aiosqlite", "jwt", "cryptography", "prometheus_client"),
)

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
