"""The Hub as its client meets it, for tests: listings, repositories with revisions, files with their headers,
ranges, and a store on another host where the large ones are. It is held to the real client in
tests/integration/huggingface/test_hub_fake.py.

`requests` are what it was asked: method, path, Range. `faults` go wrong with the bytes of a file, by its name.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

Json = dict[str, Any]

TOKEN = "hf_hub_canary"
STRANGER = "hf_known_but_not_let_in"
LARGE = 1024
"""Bytes from which on a file is stored apart from git."""

_CHUNK = 64 * 1024


@dataclass
class Repo:
    id: str
    files: dict[str, bytes]
    tags: list[str] = field(default_factory=list)
    task: str = "text-generation"
    downloads: int = 0
    gated: bool = False
    private: bool = False

    @property
    def commit(self) -> str:
        """Of what is in it now."""
        content = b"".join(name.encode() + data for name, data in sorted(self.files.items()))
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()

    def described(self) -> Json:
        gguf = "gguf" in self.tags
        return {
            "_id": "0",
            "id": self.id,
            "modelId": self.id,
            "downloads": self.downloads,
            "likes": 7,
            "gated": "manual" if self.gated else False,
            "private": self.private,
            "tags": self.tags,
            "pipeline_tag": self.task,
            "library_name": "transformers",
            **({"gguf": {"total": 494032768, "architecture": "qwen2", "context_length": 32768}} if gguf else {}),
            "lastModified": "2026-01-02T00:00:00.000Z",
        }

    def whole(self, *, blobs: bool) -> Json:
        siblings = [{"rfilename": name, **(_blob(data) if blobs else {})} for name, data in self.files.items()]
        return {**self.described(), "sha": self.commit, "siblings": siblings}


@dataclass
class Fault:
    """`cut`: after so many bytes of an answer the connection breaks, `times` times. `hold`: waited for there
    instead. `corrupt`: other bytes come. `deaf`: to ranges. `status`: in place of an answer.
    """

    after: int = 0
    times: int = 0
    hold: asyncio.Event | None = None
    corrupt: bool = False
    deaf: bool = False
    status: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)


class HubFake:
    def __init__(self, *repos: Repo) -> None:
        self.repos = {repo.id: repo for repo in repos}
        self.history = {(repo.id, repo.commit): dict(repo.files) for repo in repos}
        self.requests: list[tuple[str, str, str]] = []
        self.tokens_at_store: set[str | None] = set()
        self.faults: dict[str, Fault] = {}
        self.status = 0
        self.url = ""
        self._store = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "HubFake":
        app = web.Application(middlewares=[self._watch])
        app.add_routes(
            [
                web.get("/api/models", self._list),
                web.get("/api/models/{id:.+}/revision/{revision}", self._info),
                web.get("/api/models/{id:.+}", self._info),
                web.get("/store/{digest}/{name:.+}", self._stored),
                web.get("/{id:.+}/resolve/{revision}/{name:.+}", self._file),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self.url, self._store = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def change(self, id: str, **files: bytes) -> None:
        """A new commit; the one before can still be had."""
        repo = self.repos[id]
        repo.files = {**repo.files, **{name.replace("__", "."): data for name, data in files.items()}}
        self.history[id, repo.commit] = dict(repo.files)

    def fetched(self, name: str) -> list[str]:
        """The Range of each request for a file's bytes."""
        return [span for method, path, span in self.requests if method == "GET" and path.endswith(f"/{name}")]

    @web.middleware
    async def _watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/store/"):
            if request.headers.get("Authorization", f"Bearer {TOKEN}") not in _KNOWN:
                return _error(401, None, "Invalid credentials in Authorization header")
            if self.status:
                return _error(self.status, None, "Not now.")
        else:
            self.tokens_at_store.add(request.headers.get("Authorization"))
            self.requests.append((request.method, request.path, request.headers.get("Range", "")))
        return await handler(request)

    async def _list(self, request: web.Request) -> web.Response:
        asked = request.query
        found = [
            repo
            for repo in self.repos.values()
            if not repo.private
            and asked.get("search", "").lower() in repo.id.lower()
            and asked.get("author", "") in repo.id.partition("/")[0]
            and asked.get("pipeline_tag", repo.task) == repo.task
            and set(asked.getall("filter", [])) <= set(repo.tags)
        ]
        found.sort(key=lambda repo: -repo.downloads)
        return web.json_response([repo.described() for repo in found[: int(asked.get("limit", 1000))]])

    async def _info(self, request: web.Request) -> web.Response:
        repo = self._repo(request)
        if isinstance(repo, web.Response):
            return repo
        if self._files(request) is None:
            return _error(404, "RevisionNotFound", "Invalid rev id")
        return web.json_response(repo.whole(blobs="blobs" in request.query))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        repo = self._repo(request)
        if isinstance(repo, web.Response):
            return repo
        if repo.gated and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = 403 if "Authorization" in request.headers else 401
            return _error(status, "GatedRepo", "Access to this model is restricted.")
        files = self._files(request)
        if files is None:
            return _error(404, "RevisionNotFound", "Invalid rev id")
        name = request.match_info["name"]
        if name not in files:
            return _error(404, "EntryNotFound", "Entry not found")
        blob = _blob(files[name])
        headers = {"X-Repo-Commit": repo.commit, "Accept-Ranges": "bytes"}
        if "lfs" not in blob:
            self.requests.append((request.method, request.path, request.headers.get("Range", "")))
            return await self._send(request, name, files[name], {**headers, "ETag": f'"{blob["blobId"]}"'})
        digest = blob["lfs"]["sha256"]
        linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(blob["size"])}
        location = f"{self._store}/store/{digest}/{name}?Signature=secret"
        return web.Response(status=302, headers={**headers, **linked, "Location": location})

    async def _stored(self, request: web.Request) -> web.StreamResponse:
        digest, name = request.match_info["digest"], request.match_info["name"]
        versions = (files[name] for files in self.history.values() if name in files)
        data = next(data for data in versions if hashlib.sha256(data).hexdigest() == digest)
        return await self._send(request, name, data, {"ETag": f'"{digest}"'})

    async def _send(
        self, request: web.Request, name: str, data: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        fault = self.faults.get(name, Fault())
        if fault.status:
            return web.Response(status=fault.status)
        start = 0 if fault.deaf else int(request.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        body = data[start:]
        if fault.corrupt:
            body = bytes(255 - byte for byte in body)
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        response.content_length = len(body)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        for begin in range(0, len(body), _CHUNK):
            if begin >= fault.after and (fault.times or fault.hold is not None):
                await self._go_wrong(request, fault)
            await response.write(body[begin : begin + _CHUNK])
        return response

    async def _go_wrong(self, request: web.Request, fault: Fault) -> None:
        if fault.hold is not None:
            fault.held.set()
            await fault.hold.wait()
        elif fault.times:
            fault.times -= 1
            assert request.transport is not None
            request.transport.abort()
            raise asyncio.CancelledError

    def _repo(self, request: web.Request) -> Repo | web.Response:
        """As the Hub does it, one that is not to be seen is missing, and anybody unknown is told 401 for both."""
        repo = self.repos.get(request.match_info["id"])
        key = request.headers.get("Authorization")
        if repo is None or (repo.private and key != f"Bearer {TOKEN}"):
            return _error(401 if key is None else 404, "RepoNotFound", "Repository not found")
        return repo

    def _files(self, request: web.Request) -> dict[str, bytes] | None:
        repo = self.repos[request.match_info["id"]]
        revision = request.match_info.get("revision", "main")
        return repo.files if revision == "main" else self.history.get((repo.id, revision))


_KNOWN = {f"Bearer {TOKEN}", f"Bearer {STRANGER}"}


def _blob(data: bytes) -> Json:
    git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    blob: Json = {"size": len(data), "blobId": git}
    if len(data) >= LARGE:
        blob["lfs"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}
    return blob


def _error(status: int, code: str | None, message: str) -> web.Response:
    headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return web.json_response({"error": message}, status=status, headers=headers)
