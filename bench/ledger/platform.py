"""The platform in a process of its own, started again and again over the same folder and the same database."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from bench.ledger.clients import Place
from bench.processes import free_port

START_SECONDS = 30.0


class Platform:
    def __init__(self, folder: Path, upstream: str, database: str | None, workers: int) -> None:
        self.folder = folder
        self.place = Place(free_port(), free_port())
        self._environment = _environment(folder, database)
        self._arguments = ["--port", str(self.place.http), "--grpc-port", str(self.place.grpc)]
        self._arguments += ["--workers", str(workers), "--config", str(folder / "platform.yaml")]
        self._process: asyncio.subprocess.Process | None = None
        (folder / "platform.yaml").write_text(json.dumps(_configuration(upstream)), "utf-8")

    @property
    def log(self) -> Path:
        return self.folder / "platform.log"

    @property
    def spool(self) -> Path:
        return self.folder / "llm-platform" / "usage"

    async def start(self) -> None:
        """Returns when it is ready."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app.cli",
                "serve",
                *self._arguments,
                cwd=self.folder,
                env=self._environment,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        async with aiohttp.ClientSession() as session, asyncio.timeout(START_SECONDS):
            while not await self._ready(session):
                if self._process.returncode is not None:
                    raise RuntimeError(f"the platform did not start; see {self.log}")
                await asyncio.sleep(0.02)

    async def end(self, how: signal.Signals) -> None:
        """A kill reaches its workers, too, as the death of a container does."""
        assert self._process is not None
        if how is signal.SIGKILL:
            os.killpg(self._process.pid, how)
        else:
            self._process.send_signal(how)
        await self._process.wait()

    async def _ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.place.url}/v1/health/ready") as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False


def _configuration(upstream: str) -> dict[str, object]:
    providers = {"openai": "openai_compatible", "claude": "anthropic"}
    return {
        "log_level": "info",
        "integrations": {
            "custom_models": {"enabled": False},
            **{
                name: {"kind": kind, "settings": {"base_url": f"{upstream}/v1", "api_key": "none"}}
                for name, kind in providers.items()
            },
        },
        "prices": {"m": {"input": 1.5, "output": 6}},
    }


def _environment(folder: Path, database: str | None) -> Mapping[str, str]:
    """Without the keys and addresses that the caller's own may hold."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    return {**kept, **own, **({"DATABASE_URL": database} if database else {})}
