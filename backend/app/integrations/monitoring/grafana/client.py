"""Grafana's HTTP API, as far as it is needed: https://grafana.com/docs/grafana/latest/developers/http_api/

Every method raises PlatformError: UpstreamError while it does not answer, Refused for what the token may not do.
"""

import re
from collections.abc import Mapping
from typing import Any

from app.core.http import create_transport, error_by_status, get_json, post_json
from app.core.http.failures import garbled
from app.domain.errors import Conflict, NotFound, PlatformError, UpstreamAuthFailed
from app.integrations.monitoring.grafana.settings import GrafanaSettings

Json = dict[str, Any]

_NEEDED = re.compile(rb"[Pp]ermissions needed: (?:a(?:ny|ll) of )?([a-z.]{1,40}:[a-z.]{1,40})")


class Refused(UpstreamAuthFailed):
    """The token is good, and not for this. `permission`: what it lacks, as Grafana names it."""

    def __init__(self, provider: str, permission: str) -> None:
        super().__init__(
            f"'{provider}' does not let the service account do that: it lacks {permission}.", provider=provider
        )
        self.permission = permission


class Client:
    """Raises ValueError for an address, a header or a file that makes no sense."""

    def __init__(self, name: str, settings: GrafanaSettings) -> None:
        self._name = name
        self._transport = create_transport(
            name=name,
            base_url=settings.url,
            headers=settings.request_headers(),
            settings=settings.transport(),
        )

    async def health(self) -> Json:
        return self._object(await get_json(self._transport, "/api/health"))

    async def folder(self, uid: str) -> Json | None:
        return await self._found(f"/api/folders/{uid}", "folders:read")

    async def create_folder(self, uid: str, title: str) -> None:
        """Raises Conflict where there is one."""
        await self._send("POST", "/api/folders", {"uid": uid, "title": title}, "folders:create")

    async def data_source(self, uid: str) -> Json | None:
        return await self._found(f"/api/datasources/uid/{uid}", "datasources:read")

    async def create_data_source(self, wanted: Json) -> None:
        """Raises Conflict where there is one of that uid or name."""
        await self._send("POST", "/api/datasources", wanted, "datasources:create")

    async def update_data_source(self, uid: str, wanted: Json) -> None:
        await self._send("PUT", f"/api/datasources/uid/{uid}", wanted, "datasources:write")

    async def dashboard(self, uid: str) -> Json | None:
        """`dashboard`, the thing itself, and `meta`."""
        return await self._found(f"/api/dashboards/uid/{uid}", "dashboards:read")

    async def save_dashboard(self, dashboard: Json, folder: str, message: str, *, overwrite: bool) -> None:
        """Raises Conflict where it was changed since, unless it is to be overwritten."""
        body = {"dashboard": dashboard, "folderUid": folder, "message": message, "overwrite": overwrite}
        needed = "dashboards:write" if dashboard.get("version") else "dashboards:create"
        await self._send("POST", "/api/dashboards/db", body, needed)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _found(self, path: str, permission: str) -> Json | None:
        try:
            found = await get_json(self._transport, path, decode_error=self._errors(permission))
        except NotFound:
            return None
        return self._object(found)

    async def _send(self, method: str, path: str, body: Json, permission: str) -> None:
        await post_json(self._transport, path, body, method=method, decode_error=self._errors(permission))

    def _errors(self, permission: str) -> Any:
        def decode(status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
            if status == 403:
                named = _NEEDED.search(body)
                return Refused(self._name, permission if named is None else named[1].decode())
            if status in {409, 412}:
                return Conflict(f"'{self._name}' has that already.")
            return error_by_status(self._name, status)

        return decode

    def _object(self, value: object) -> Json:
        if not isinstance(value, dict):
            raise garbled(self._name, "answered with something that is not Grafana's.")
        return value
