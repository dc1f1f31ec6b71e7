"""The Hub of the tests is what it claims to be: the Hub's own client lists, reads and downloads there, and has its
own class of error for each refusal, which are told apart by those.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, errors, get_hf_file_metadata, hf_hub_url

from app.integrations.model_platforms.huggingface.failures import FAILURES
from app.integrations.model_platforms.huggingface.hub_child import kind_of
from tests.servers.hub_fake import STRANGER, TOKEN, Fault, HubFake, Repo

BIG = bytes(range(256)) * 16
REPOS = [
    Repo("org/tiny", {"tiny-Q8_0.gguf": BIG, "config.json": b"{}"}, ["gguf", "license:mit"], downloads=5),
    Repo("org/other", {"model.safetensors": BIG}, ["safetensors"], downloads=9),
    Repo("org/gated", {"m.gguf": BIG}, gated=True),
    Repo("org/private", {"m.gguf": BIG}, private=True),
]


@pytest.fixture
async def hub() -> AsyncIterator[HubFake]:
    async with HubFake(*REPOS) as fake:
        yield fake


async def test_its_own_client_lists_and_reads(hub: HubFake) -> None:
    api = HfApi(hub.url, token=False)
    found = await asyncio.to_thread(lambda: list(api.list_models(search="org", sort="downloads", limit=2)))
    assert [model.id for model in found] == ["org/other", "org/tiny"]
    model = await asyncio.to_thread(lambda: api.model_info("org/tiny", files_metadata=True))
    assert model.sha == hub.repos["org/tiny"].commit
    for sibling in model.siblings or ():
        url = hf_hub_url("org/tiny", sibling.rfilename, revision=model.sha, endpoint=hub.url)
        told = await asyncio.to_thread(get_hf_file_metadata, url)
        assert (told.commit_hash, told.size) == (model.sha, sibling.size)
        assert told.etag == (sibling.lfs.sha256 if sibling.lfs else sibling.blob_id)
        assert told.location.startswith("http://localhost" if sibling.lfs else hub.url)


async def test_its_own_client_downloads(hub: HubFake, tmp_path: Path) -> None:
    api = HfApi(hub.url, token=False)
    for name, content in hub.repos["org/tiny"].files.items():
        path = await asyncio.to_thread(api.hf_hub_download, "org/tiny", name, local_dir=tmp_path)
        assert Path(path).read_bytes() == content


async def test_it_goes_on_where_a_download_broke_off(hub: HubFake, tmp_path: Path) -> None:
    large = BIG * 3 * 2048  # the client keeps what it has of it by 10 MiB
    hub.change("org/tiny", large__gguf=large)
    hub.faults["large.gguf"] = Fault(after=len(large) // 2, times=1)
    path = await asyncio.to_thread(
        HfApi(hub.url, token=False).hf_hub_download, "org/tiny", "large.gguf", local_dir=tmp_path
    )
    assert Path(path).read_bytes() == large
    assert hub.fetched("large.gguf") == ["", f"bytes={10 * 2**20}-"]


def _info(hub: HubFake, repo: str, token: str | bool = False, **asked: Any) -> object:
    return HfApi(hub.url, token=token).model_info(repo, **asked)


def _file(hub: HubFake, repo: str, name: str = "m.gguf", token: str | bool = False) -> object:
    return get_hf_file_metadata(hf_hub_url(repo, name, endpoint=hub.url), token=token)


REFUSED: dict[str, tuple[Callable[[HubFake], object], type[Exception], str]] = {
    "missing": (lambda hub: _info(hub, "org/none"), errors.RepositoryNotFoundError, "missing"),
    "missing, with a token": (
        lambda hub: _info(hub, "org/none", TOKEN),
        errors.RepositoryNotFoundError,
        "missing",
    ),
    "private": (lambda hub: _info(hub, "org/private"), errors.RepositoryNotFoundError, "missing"),
    "gated": (lambda hub: _file(hub, "org/gated"), errors.GatedRepoError, "gated"),
    "gated, not let in": (lambda hub: _file(hub, "org/gated", token=STRANGER), errors.GatedRepoError, "gated"),
    "revision": (lambda hub: _info(hub, "org/tiny", revision="v2"), errors.RevisionNotFoundError, "no_revision"),
    "file": (lambda hub: _file(hub, "org/tiny", "none.gguf"), errors.RemoteEntryNotFoundError, "no_file"),
    "token": (lambda hub: _info(hub, "org/tiny", "hf_wrong"), errors.HfHubHTTPError, "unauthorized"),
    "name": (lambda hub: _info(hub, "org/.."), errors.HFValidationError, "missing"),
}


@pytest.mark.parametrize(("ask", "error", "kind"), REFUSED.values(), ids=REFUSED.keys())
async def test_each_refusal_has_the_clients_own_class(
    hub: HubFake, ask: Callable[[HubFake], object], error: type[Exception], kind: str
) -> None:
    with pytest.raises(error) as raised:
        await asyncio.to_thread(ask, hub)
    assert kind_of(raised.value) == kind
    assert kind in FAILURES


@pytest.mark.parametrize(("status", "kind"), [(403, "forbidden"), (429, "limited"), (500, "unreachable")])
async def test_each_status_has_its_kind(hub: HubFake, status: int, kind: str) -> None:
    hub.status = status
    with pytest.raises(errors.HfHubHTTPError) as raised:
        await asyncio.to_thread(_info, hub, "org/tiny")
    assert kind_of(raised.value) == kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(28, "No space left on device"), "disk_full"),
        (PermissionError(13, "Permission denied"), "disk"),
        (ConnectionRefusedError(), "unreachable"),
        (OSError("Consistency check failed: file should be of size 2 but has size 1"), "unreachable"),
        (errors.OfflineModeIsEnabled("offline"), "offline"),
        (KeyError("x"), "defect"),
    ],
)
def test_what_the_system_says_has_its_kind(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind
