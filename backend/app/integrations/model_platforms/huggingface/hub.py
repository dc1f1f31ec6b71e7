"""Asks the Hub, by a process that lives while somebody asks: hub_child.py. What goes wrong: failures.py."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from app.domain.errors import Overloaded, ProviderProtocolError, UpstreamTimeout
from app.integrations.model_platforms.huggingface.failures import failure
from app.integrations.model_platforms.huggingface.repository import Described, Repository

logger = logging.getLogger(__name__)

QUESTIONS = 4
"""Short ones that are asked at the same time; for more there is no room."""

_CHILD = Path(__file__).with_name("hub_child.py")
_LINE_BYTES = 64 << 20
# What the library's HTTP client looks at; nothing else of the platform's environment is any business of it.
_PASSED_ON = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
_QUIET = {
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class Progress(msgspec.Struct):
    """Of all files together."""

    file: str
    completed: int
    total: int


class _Failure(msgspec.Struct):
    kind: str
    type: str = ""
    where: str = ""


class _Line(msgspec.Struct):
    progress: Progress | None = None
    answer: msgspec.Raw = msgspec.Raw()
    failure: _Failure | None = None


_decoder = msgspec.json.Decoder(_Line)


class Hub:
    """`name` is the integration's. `seconds` bound a short question."""

    def __init__(self, name: str, endpoint: str, token: str, *, offline: bool, seconds: float) -> None:
        self.name = name
        self.endpoint = endpoint
        self.token = token
        self.seconds = seconds
        self._offline = offline
        self._short = asyncio.Semaphore(QUESTIONS)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator["Asking"]:
        """A process to ask one thing after the other; it is killed at the end, whatever it does."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(_CHILD),
            env=self._environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LINE_BYTES,
        )
        assert process.stdin is not None
        try:
            yield Asking(self, process)
        finally:
            if process.returncode is None:
                process.kill()
            process.stdin.close()
            await process.wait()

    async def search(self, query: str, limit: int, filters: Mapping[str, Any]) -> list[Described]:
        """Raises Overloaded, and what `failure` has."""
        async with self._room(), self.asking() as asking:
            found: list[Described] = await asking.once(
                "search", list[Described], query=query, limit=limit, **filters
            )
        return found

    async def info(self, repository: str, revision: str | None) -> Repository:
        async with self._room(), self.asking() as asking:
            return await asking.info(repository, revision)

    @asynccontextmanager
    async def _room(self) -> AsyncIterator[None]:
        if self._short.locked():
            raise Overloaded(f"{QUESTIONS} questions to the Hub are under way already.", retry_after=1.0)
        async with self._short:
            yield

    def _environment(self) -> dict[str, str]:
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {**passed_on, **_QUIET, "HF_HUB_OFFLINE": "1" if self._offline else "0"}


class Asking:
    """Every question may raise what `failure` has."""

    def __init__(self, hub: Hub, process: asyncio.subprocess.Process) -> None:
        self._hub = hub
        self._process = process

    async def info(self, repository: str, revision: str | None) -> Repository:
        asked = {"repository": repository, "revision": revision, "timeout": self._hub.seconds}
        found: Repository = await self.once("info", Repository, **asked)
        return found

    async def fetch(
        self, folder: Path, repository: str, commit: str, files: list[dict[str, Any]]
    ) -> AsyncGenerator[Progress, None]:
        """Each into `folder`, under its `path` once it is whole. What is there already is not fetched again."""
        asked = {"folder": str(folder), "repository": repository, "commit": commit, "files": files}
        async with aclosing(self._lines("fetch", asked)) as lines:
            async for line in lines:
                if line.progress is not None:
                    yield line.progress

    async def once(self, what: str, shape: Any, **asked: Any) -> Any:
        """A short question. Raises UpstreamTimeout, ProviderProtocolError."""
        try:
            async with asyncio.timeout(self._hub.seconds * 2), aclosing(self._lines(what, asked)) as lines:
                async for line in lines:
                    if line.answer:
                        return msgspec.json.decode(line.answer, type=shape)
        except TimeoutError:
            name = self._hub.name
            raise UpstreamTimeout(f"'{name}': the Hub took too long to answer.", provider=name) from None
        except msgspec.DecodeError:
            pass
        raise self._unreadable()

    async def _lines(self, what: str, asked: Mapping[str, Any]) -> AsyncGenerator[_Line, None]:
        """The last one has the answer."""
        hub, process = self._hub, self._process
        assert process.stdin is not None
        assert process.stdout is not None
        question = {"ask": what, "endpoint": hub.endpoint, "token": hub.token, **asked}
        process.stdin.write(msgspec.json.encode(question) + b"\n")
        with suppress(ConnectionError):  # it ended: so does what it writes
            await process.stdin.drain()
        async for text in process.stdout:
            line = _decoder.decode(text)
            if line.failure is not None:
                raise self._failed(line.failure, str(asked.get("repository", "")))
            yield line
            if line.answer:
                return
        raise self._unreadable()

    def _failed(self, failed: _Failure, repository: str) -> Exception:
        hub = self._hub
        if failed.kind in {"defect", "disk"}:
            logger.error("'%s': %s in\n%s", hub.name, failed.type, failed.where)
        return failure(failed.kind, hub.name, repository, hub.endpoint, has_token=bool(hub.token))

    def _unreadable(self) -> ProviderProtocolError:
        name = self._hub.name
        return ProviderProtocolError(f"'{name}' could not make out what the Hub answers.", provider=name)
