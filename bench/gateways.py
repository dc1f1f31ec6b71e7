"""How each thing that is measured is started in front of the bench's upstream."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import Running, free_port, running
from bench.scenarios import Scenario

KEY = "sk-bench-0123456789abcdef"


@contextmanager
def upstream(scenario: Scenario) -> Iterator[Running]:
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", "--port", str(port)]
    with running(
        [*command, "--chunks", str(scenario.chunks), "--interval-ms", str(scenario.interval_ms)], port
    ) as up:
        yield up


@contextmanager
def platform(upstream_port: int, *, key: str | None = None, workers: int = 1) -> Iterator[Running]:
    """This platform with one OpenAI-compatible integration and the model name `bench`."""
    port = free_port()
    configuration = {
        "log_level": "warning" if key is None else "info",
        "integrations": {
            "custom_models": {"enabled": False},
            "upstream": {
                "kind": "openai_compatible",
                "settings": {"base_url": f"http://127.0.0.1:{upstream_port}", "api_key": "none"},
            },
        },
        "models": {"bench": "upstream/bench"},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(json.dumps(configuration), "utf-8")
        command = [sys.executable, "-m", "app.cli", "serve", "--config", str(path), "--port", str(port)]
        environment = {
            **_clean_environment(),
            "PYTHONPATH": "backend",
            **({"LLM_PLATFORM_API_KEY": key} if key else {}),
        }
        with running(
            [*command, "--workers", str(workers)],
            port,
            environment=environment,
            headers={"authorization": f"Bearer {key}"} if key else {},
        ) as gateway:
            yield gateway


def _clean_environment() -> dict[str, str]:
    """Without the keys that would add other integrations."""
    return {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
