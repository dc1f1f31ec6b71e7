"""The platform as its users start it: a process of its own, on a free port, stopped at the end."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

BACKEND = Path(__file__).parents[2]


class PlatformProcess:
    """`banner`: what it printed when it was up. `port`: where it serves."""

    def __init__(self, process: asyncio.subprocess.Process, banner: str, log: Path) -> None:
        self.process = process
        self.banner = banner
        found = re.search(r"serves on http://127\.0\.0\.1:(\d+)", banner)
        assert found, banner
        self.port = int(found[1])
        self._log = log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    async def stop(self) -> int:
        """SIGTERM, then the exit code. Fails when it takes longer than 20 seconds."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def platform_process(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, python_path: str = ""
) -> AsyncIterator[PlatformProcess]:
    """`llm-platform serve` in `folder`, without the keys that the caller's environment may hold."""
    log = folder / "platform.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.cli",
            "serve",
            "--port",
            "0",
            "--grpc-port",
            "0",
            *arguments,
            cwd=folder,
            env=clean_environment(folder, environment, python_path),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        yield PlatformProcess(process, await _banner(process, log), log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class Finished(NamedTuple):
    code: int
    out: str
    err: str


async def run_command(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, seconds: float = 20.0
) -> Finished:
    """`llm-platform` with these arguments, to its end. Fails when that takes longer than `seconds`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        *arguments,
        cwd=folder,
        env=clean_environment(folder, environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


_PATIENT = {"LLM_PLATFORM_SERVER__START_SECONDS": "15"}
"""Who asks a platform that has said that it is up should find all of it, however busy the machine is."""


def clean_environment(
    folder: Path, extra: Mapping[str, str] | None = None, python_path: str = ""
) -> dict[str, str]:
    """Nothing of the caller's but where programs are, so that no key of his changes what is tested."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    path = os.pathsep.join(filter(None, [str(BACKEND), python_path]))
    return {**kept, "HOME": str(folder), "PYTHONPATH": path, **_PATIENT, **(extra or {})}


async def _banner(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    text = ""
    async with asyncio.timeout(30):
        while not text.endswith("Ctrl+C stops it.\n"):
            line = await process.stdout.readline()
            assert line, f"the platform did not start:\n{text}\n{log.read_text('utf-8', 'replace')}"
            text += line.decode()
    return text
