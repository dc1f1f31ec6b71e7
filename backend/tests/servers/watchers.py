"""A real Prometheus and a real Alertmanager, on free ports, and where alerts are sent in the end."""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession, web

Json = dict[str, Any]
_ADDRESS = re.compile(rb'msg="Listening on" address=(\S+)')


class Watcher:
    """`url` is where it answers."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self.url = url
        self._session = session

    async def get(self, path: str, **query: str) -> Any:
        async with self._session.get(self.url + path, params=query) as answer:
            return await answer.json()

    async def post(self, path: str, body: object) -> Any:
        async with self._session.post(self.url + path, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json(content_type=None)

    async def query(self, expr: str) -> list[Json]:
        """The series that Prometheus finds now. Fails where it does not understand."""
        found = await self.get("/api/v1/query", query=expr)
        assert found["status"] == "success", (expr, found)
        series: list[Json] = found["data"]["result"]
        return series if found["data"]["resultType"] == "vector" else [{"value": found["data"]["result"]}]


@asynccontextmanager
async def prometheus(folder: Path, configuration: Mapping[str, Any]) -> AsyncIterator[Watcher]:
    """`folder` holds the files of rules that the configuration names."""
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(dict(configuration)))
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    async with _running(folder, *command) as watcher:
        yield watcher


@asynccontextmanager
async def alertmanager(folder: Path, configuration: Mapping[str, Any]) -> AsyncIterator[Watcher]:
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(dict(configuration)))
    command = ["prometheus-alertmanager", f"--config.file={file}", f"--storage.path={folder / 'alerts'}"]
    async with _running(folder, *command, "--cluster.listen-address=") as watcher:
        yield watcher


@asynccontextmanager
async def _running(folder: Path, program: str, *arguments: str) -> AsyncIterator[Watcher]:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: on Debian, apt-get install prometheus prometheus-alertmanager")
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        "--web.listen-address=127.0.0.1:0",
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(20):
            while (found := _ADDRESS.search(line := await process.stderr.readline())) is None:
                assert line, f"{program} did not start"
        reading = asyncio.create_task(process.stderr.read())
        async with ClientSession() as session:
            yield Watcher(f"http://{found[1].decode()}", session)
        reading.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Webhook:
    """Keeps the alerts that Alertmanager sends."""

    def __init__(self) -> None:
        self.url = ""
        self.alerts: list[Json] = []

    async def take(self, request: web.Request) -> web.Response:
        self.alerts += (await request.json())["alerts"]
        return web.Response()

    def firing(self) -> set[tuple[str, str]]:
        """Name and cause of each."""
        return {
            (each["labels"]["alertname"], each["labels"].get("cause", ""))
            for each in self.alerts
            if each["status"] == "firing"
        }


@asynccontextmanager
async def webhook() -> AsyncIterator[Webhook]:
    hook = Webhook()
    app = web.Application()
    app.router.add_post("/", hook.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        yield hook
    finally:
        await runner.cleanup()


def impatient(rules: Mapping[str, Any]) -> Json:
    """The same rules, which wait for nothing."""
    return {"groups": [{**group, "rules": list(_at_once(group["rules"]))} for group in rules["groups"]]}


def _at_once(rules: list[Json]) -> Iterator[Json]:
    for rule in rules:
        yield {name: value for name, value in rule.items() if name != "for"}
