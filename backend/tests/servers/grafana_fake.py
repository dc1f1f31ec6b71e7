"""Grafana's HTTP API, as far as provisioning goes, with its status codes, its bodies and its permissions.

After https://grafana.com/docs/grafana/latest/developers/http_api/ and the answers of Grafana 11. Dashboards have
versions; a save with an old one is refused.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Json = dict[str, Any]

TOKEN = "glsa_canary0123456789abcdefghijklmnop_01234567"
EDITOR = frozenset(
    {"folders:read", "folders:create", "folders:write", "dashboards:read", "dashboards:create", "dashboards:write"}
)
ADMIN = EDITOR | {"datasources:read", "datasources:create", "datasources:write"}


class GrafanaFake:
    """`permissions`: the token's. `writes`: what changed something, in order. `down`: answers 503."""

    def __init__(self) -> None:
        self.url = ""
        self.permissions: frozenset[str] = ADMIN
        self.database = "ok"
        self.down = False
        self.folders: dict[str, Json] = {}
        self.data_sources: dict[str, Json] = {}
        self.dashboards: dict[str, Json] = {}
        self.writes: list[str] = []
        self.before_save: Callable[[], None] | None = None

    def forget(self) -> None:
        """As after a start with an empty disk."""
        for kept in (self.folders, self.data_sources, self.dashboards):
            kept.clear()

    def put_dashboard(self, dashboard: Json, folder: str = "", message: str = "by hand") -> int:
        uid = dashboard["uid"]
        version = self.dashboards[uid]["dashboard"]["version"] + 1 if uid in self.dashboards else 1
        saved = {**dashboard, "id": 7, "version": version}
        self.dashboards[uid] = {"dashboard": saved, "meta": {"folderUid": folder, "message": message}}
        return version

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"commit": "0", "database": self.database, "version": "11.6.0"})

    async def get_folder(self, request: web.Request) -> web.Response:
        return _found(self.folders.get(request.match_info["uid"]), "folder not found")

    async def create_folder(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["uid"] in self.folders:
            told = {"message": "the folder has been changed by someone else", "status": "version-mismatch"}
            return web.json_response(told, status=412)
        if any(each["title"] == body["title"] for each in self.folders.values()):
            return web.json_response({"message": "a folder with that name already exists"}, status=409)
        self.folders[body["uid"]] = {"id": 1, "uid": body["uid"], "title": body["title"], "version": 1}
        self.writes.append(f"folder {body['uid']}")
        return web.json_response(self.folders[body["uid"]])

    async def get_data_source(self, request: web.Request) -> web.Response:
        return _found(self.data_sources.get(request.match_info["uid"]), "Data source not found")

    async def create_data_source(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["uid"] in self.data_sources:
            return web.json_response({"message": "data source with the same uid already exists"}, status=409)
        self.data_sources[body["uid"]] = {"id": 1, "orgId": 1, "readOnly": False, "version": 1, **body}
        self.writes.append(f"data source {body['uid']}")
        return web.json_response(
            {"datasource": body, "id": 1, "message": "Datasource added", "name": body["name"]}
        )

    async def update_data_source(self, request: web.Request) -> web.Response:
        uid, body = request.match_info["uid"], await request.json()
        if self.data_sources[uid]["readOnly"]:
            return web.json_response({"message": "Cannot update read-only data source"}, status=403)
        self.data_sources[uid] = {**body, "version": self.data_sources[uid]["version"] + 1}
        self.writes.append(f"data source {uid}")
        return web.json_response({"id": 1, "message": "Datasource updated", "name": body["name"]})

    async def get_dashboard(self, request: web.Request) -> web.Response:
        return _found(self.dashboards.get(request.match_info["uid"]), "Dashboard not found")

    async def save_dashboard(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.before_save is not None:
            self.before_save()
        dashboard, uid = body["dashboard"], body["dashboard"]["uid"]
        if len(uid) > 40 or not dashboard["title"]:
            return web.json_response({"message": "uid too long, max 40 characters"}, status=400)
        known = self.dashboards.get(uid)
        if known is not None and not body["overwrite"] and known["dashboard"]["version"] != dashboard["version"]:
            told = {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
            return web.json_response(told, status=412)
        if body["folderUid"] and body["folderUid"] not in self.folders:
            return web.json_response({"message": "folder not found"}, status=400)
        version = self.put_dashboard(dashboard, body["folderUid"], body["message"])
        self.writes.append(f"dashboard {uid}")
        return web.json_response({"id": 7, "uid": uid, "status": "success", "version": version, "slug": uid})


def _found(thing: Json | None, message: str) -> web.Response:
    return web.json_response({"message": message}, status=404) if thing is None else web.json_response(thing)


Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _guarded(fake: GrafanaFake, permission: str, serve: Serve) -> Serve:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if fake.down:
            return web.Response(status=503, text="<html>upstream is starting</html>")
        if permission and request.headers.get("authorization") != f"Bearer {TOKEN}":
            told = {"message": "Invalid API key", "messageId": "api-key.invalid", "statusCode": 401, "traceID": ""}
            return web.json_response(told, status=401)
        if permission and permission not in fake.permissions:
            needed = f"You'll need additional permissions to perform this action. Permissions needed: {permission}"
            told = {"accessErrorId": "ACE0123456789", "message": needed, "title": "Access denied"}
            return web.json_response(told, status=403)
        return await serve(request)

    return guarded


@asynccontextmanager
async def grafana_fake() -> AsyncIterator[GrafanaFake]:
    """Listens on a free port of 127.0.0.1."""
    fake = GrafanaFake()
    routes: list[tuple[str, str, str, Serve]] = [
        ("GET", "/api/health", "", fake.health),
        ("GET", "/api/folders/{uid}", "folders:read", fake.get_folder),
        ("POST", "/api/folders", "folders:create", fake.create_folder),
        ("GET", "/api/datasources/uid/{uid}", "datasources:read", fake.get_data_source),
        ("POST", "/api/datasources", "datasources:create", fake.create_data_source),
        ("PUT", "/api/datasources/uid/{uid}", "datasources:write", fake.update_data_source),
        ("GET", "/api/dashboards/uid/{uid}", "dashboards:read", fake.get_dashboard),
        ("POST", "/api/dashboards/db", "dashboards:write", fake.save_dashboard),
    ]
    app = web.Application()
    for method, path, permission, serve in routes:
        app.router.add_route(method, path, _guarded(fake, permission, serve))
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()
