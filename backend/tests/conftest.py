"""Servers that tests of several rooms share. Each is started once, on first use."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.openai_peer import OpenAIPeer, running_peer
from tests.servers.postgres import Postgres, running_postgres


def pytest_make_parametrize_id(val: object) -> str | None:
    """Names that can be read and are the same in every process that collects them: no bytes, no long texts."""
    if isinstance(val, bytes):
        return f"{len(val)}-bytes"
    return f"{val[:40]}-and-{len(val) - 40}-more" if isinstance(val, str) and len(val) > 80 else None


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What whoever runs the tests has in the platform's own folder stays out of them, and they out of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """A platform in the process sets the level of the log, also when it reloads; the next test must not see it."""
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


@pytest.fixture(scope="session")
def openai_peer() -> Iterator[OpenAIPeer]:
    """A real OpenAI-compatible server with the demo model."""
    with running_peer() as peer:
        yield peer


@pytest.fixture(scope="session")
def openai_embedding_peer() -> Iterator[OpenAIPeer]:
    """The same, for embeddings."""
    with running_peer(embeddings=True) as peer:
        yield peer


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def database_settings(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """Settings of the `database` integration for a new, empty database: the test runs once for each kind."""
    if request.param == "sqlite":
        yield {"data_dir": str(tmp_path)}
        return
    server: Postgres = request.getfixturevalue("postgres")
    async with server.database() as url:
        yield {"url": url}
