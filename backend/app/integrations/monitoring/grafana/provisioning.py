"""What is put into Grafana, and when: what is missing, and what is not of this version of the platform.

Nothing is written where nothing changed. A dashboard carries a tag with the digest of what was written; while that
is the same it is let be, whatever people did to it since, and so is the folder that they moved it to. A newer one
takes its place, and Grafana's history keeps the older.
"""

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import msgspec

from app import __version__
from app.domain.errors import Conflict, UpstreamError
from app.integrations.monitoring.grafana.client import Client, Json

UID = "llm-platform"
"""Of the folder, and of the data source."""

DATA_SOURCE = "LLM Platform"
_DIGEST_TAG = "llm-platform-"


class Done(msgspec.Struct):
    """What was written, for people."""

    written: list[str] = msgspec.field(default_factory=list)


async def provide_folder(client: Client, title: str, done: Done) -> None:
    if await client.folder(UID) is not None:
        return
    try:
        await client.create_folder(UID, title)
        done.written.append(f"folder '{title}'")
    except Conflict:
        # Another process was faster, or the title belongs to another folder.
        if await client.folder(UID) is None:
            raise Conflict(
                f"Grafana has a folder '{title}' of its own: set settings.folder to another title."
            ) from None


async def provide_data_source(client: Client, url: str, done: Done) -> None:
    """One that a file of Grafana's has provisioned is not ours to change."""
    wanted = _data_source(url)
    found = await client.data_source(UID)
    if found is None:
        try:
            await client.create_data_source(wanted)
            done.written.append(f"data source '{DATA_SOURCE}'")
            return
        except Conflict:
            found = await client.data_source(UID)
            if found is None:
                raise Conflict(f"Grafana has a data source '{DATA_SOURCE}' of its own: rename it there.") from None
    if found.get("url") != url and not found.get("readOnly"):
        await client.update_data_source(UID, {**found, "url": url})
        done.written.append(f"data source '{DATA_SOURCE}'")


def _data_source(url: str) -> Json:
    return {
        "uid": UID,
        "name": DATA_SOURCE,
        "type": "prometheus",
        "access": "proxy",
        "url": url,
        "isDefault": False,
        "jsonData": {"httpMethod": "POST", "timeInterval": "15s"},
    }


async def provide_dashboard(client: Client, dashboard: Mapping[str, Any], done: Done) -> None:
    wanted = tagged(dashboard)
    for last in (False, True):
        found = await client.dashboard(wanted["uid"])
        if found is not None and wanted["tags"][-1] in _tags(found):
            return
        try:
            await _save(client, wanted, found, overwrite=last)
            done.written.append(f"dashboard '{wanted['title']}'")
            return
        except Conflict:
            if last:
                raise UpstreamError(
                    f"The dashboard '{wanted['title']}' can't be written: it is another's."
                ) from None


async def _save(client: Client, wanted: Json, found: Json | None, *, overwrite: bool) -> None:
    version = 0 if found is None else found.get("dashboard", {}).get("version", 0)
    folder = UID if found is None else found.get("meta", {}).get("folderUid", UID)
    await client.save_dashboard(
        {**wanted, "id": None, "version": version}, folder, f"LLM Platform {__version__}", overwrite=overwrite
    )


def _tags(found: Json) -> list[str]:
    tags = found.get("dashboard", {}).get("tags")
    return tags if isinstance(tags, list) else []


def tagged(dashboard: Mapping[str, Any]) -> Json:
    """With the digest of what it is as its last tag."""
    digest = hashlib.sha256(msgspec.json.encode(dashboard, order="sorted")).hexdigest()[:12]
    return {**dashboard, "tags": [*dashboard["tags"], f"{_DIGEST_TAG}{digest}"]}


def aimed(dashboard: Mapping[str, Any]) -> Json:
    """With the platform's own data source chosen to begin with."""
    made = deepcopy(dict(dashboard))
    for variable in made["templating"]["list"]:
        if variable["type"] == "datasource":
            variable["current"] = {"text": DATA_SOURCE, "value": UID}
    return made
