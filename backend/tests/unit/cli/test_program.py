"""The command as a whole: its entry point, its speed by what it does not import, its usage errors."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import __version__
from app.cli.program import program
from app.cli.serve import read_settings
from app.settings import ConfigError

COMMAND = Path(sys.executable).with_name("llm-platform")
HEAVY = {
    "pydantic",
    "rich",
    "yaml",
    "aiohttp",
    "fastapi",
    "msgspec",
    "uvicorn",
    "asyncio",
    "app.settings",
    "app.main",
}


def test_the_installed_command() -> None:
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"llm-platform {__version__}\n", "")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom app.cli import main\nsys.argv = ['llm-platform', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint('loaded:', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = done.stdout.rpartition("loaded:")[2].split()
    assert "serve" in done.stdout
    assert not HEAVY & set(loaded)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["models", "pull"], ["serve", "--port", "x"], ["models", "-o", "x"]]
)
def test_usage_errors(arguments: list[str]) -> None:
    assert CliRunner().invoke(program, arguments).exit_code == 2


def test_version() -> None:
    assert CliRunner().invoke(program, ["version"]).stdout == f"llm-platform {__version__}\n"


def test_a_reload_reads_file_environment_and_options_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("server: {port: 1, grpc_port: 1}")
    monkeypatch.setenv("LLM_PLATFORM_GRPC_PORT", "2")
    first = read_settings(file, {"server.port": 3}).settings.server
    assert (first.port, first.grpc_port) == (3, 2)
    file.write_text("server: {workers: x}")
    with pytest.raises(ConfigError):
        read_settings(file, {"server.port": 3})
