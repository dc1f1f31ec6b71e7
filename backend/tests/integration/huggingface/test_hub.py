"""Finding and fetching by the integration, from a Hub that the real client is content with."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.core.integration_framework import HealthReport, HealthStatus, IntegrationConfig
from app.domain.errors import (
    Conflict,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    PlatformError,
    ProviderProtocolError,
    UpstreamAuthFailed,
    UpstreamUnavailable,
)
from app.domain.models import FoundModel, PullProgress
from app.domain.ports import ModelFinder, ModelStore
from app.integrations.model_platforms.huggingface import HuggingFaceHubIntegration
from app.integrations.model_platforms.huggingface.choosing import Choice
from app.integrations.model_platforms.huggingface.names import Wanted
from app.integrations.model_platforms.huggingface.pulling import Puller
from app.integrations.model_platforms.huggingface.repository import RemoteFile, Repository
from app.integrations.model_platforms.huggingface.shelf import Shelf
from tests.servers.asking import becomes
from tests.servers.hub_fake import STRANGER, TOKEN, Fault, HubFake, Repo

Made = Callable[..., HuggingFaceHubIntegration]


def content(seed: str, size: int) -> bytes:
    return hashlib.shake_256(seed.encode()).digest(size)


MEGABYTE = content("m", 1 << 20)
TINY = {
    "tiny-Q4_K_M.gguf": MEGABYTE,
    "tiny-Q8_0.gguf": content("8", 1 << 21),
    "tiny-F16.gguf": content("16", 1 << 22),
    "README.md": b"# Tiny",
}
WEIGHTS = "model.safetensors"
LLAMA = {
    "config.json": b'{"architectures": ["LlamaForCausalLM"]}',
    "tokenizer.json": b"{}",
    WEIGHTS: MEGABYTE,
    "pytorch_model.bin": MEGABYTE,
    "modeling_llama.py": b"import os; os.system('touch /tmp/owned')",
    "onnx/model.onnx": MEGABYTE,
}


@pytest.fixture
async def hub() -> AsyncIterator[HubFake]:
    async with HubFake(
        Repo("org/tiny", dict(TINY), ["gguf", "license:mit"], downloads=5),
        Repo("org/llama", dict(LLAMA), ["safetensors"], downloads=9),
        Repo("org/gated", {"m.gguf": MEGABYTE}, gated=True),
        Repo("other/tiny", {"tiny-Q8_0.gguf": content("other", 4096)}),
    ) as fake:
        yield fake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def made(hub: HubFake, folder: Path) -> Made:
    def make(**settings: Any) -> HuggingFaceHubIntegration:
        given = {"hub_url": hub.url, "directory": str(folder), **settings}
        return HuggingFaceHubIntegration(IntegrationConfig(name="hub", settings=given))

    return make


def visible(folder: Path) -> dict[str, bytes]:
    """What is to be seen in the models' folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".hub" not in path.parts
    }


async def pulled(hub: HuggingFaceHubIntegration, name: str) -> list[PullProgress]:
    async with aclosing(hub.pull(name)) as steps:
        return [step async for step in steps]


async def test_it_finds_models(made: Made) -> None:
    hub = made()
    assert isinstance(hub, ModelFinder)
    assert isinstance(hub, ModelStore)
    first, second = await hub.search_models("org/", limit=2)
    assert (first.name, second.license) == ("hf:org/llama", "mit")
    assert second == FoundModel(
        name="hf:org/tiny",
        provider="hub",
        task="text-generation",
        formats=("gguf",),
        parameters=494032768,
        context_window=32768,
        license="mit",
        downloads=5,
        likes=7,
        updated=1767312000.0,
    )
    assert [found.name for found in await hub.search_models("tiny", filters={"author": "other"})] == [
        "hf:other/tiny"
    ]
    for filters in ({"colour": "red"}, {"sort": "beauty"}):
        with pytest.raises(InvalidRequest):
            await hub.search_models("tiny", filters=filters)


async def test_it_tells_of_one(made: Made, hub: HubFake) -> None:
    told = await made().get_model_info("org/tiny")
    assert (told.commit, told.license, told.gated) == (hub.repos["org/tiny"].commit, "mit", False)
    assert {file.name: file.size for file in told.files} == {name: len(data) for name, data in TINY.items()}


async def test_a_gguf_is_chosen_fetched_and_put(made: Made, hub: HubFake, folder: Path) -> None:
    steps = await pulled(made(), "org/tiny")
    assert visible(folder) == {"tiny-Q4_K_M.gguf": MEGABYTE}
    last = steps[-1]
    assert (last.status, last.completed_bytes, last.total_bytes) == ("is here", 1 << 20, 1 << 20)
    assert last.details["revision"] == hub.repos["org/tiny"].commit
    assert last.details["files"] == ["tiny-Q4_K_M.gguf"]
    assert last.details["why"].startswith("Q4_K_M (1.0 MB) fits in ")
    assert last.details["why"].endswith("there are: Q4_K_M 1.0 MB, Q8_0 2.1 MB, F16 4.2 MB")
    amounts = [step.completed_bytes or 0 for step in steps]
    assert amounts == sorted(amounts)
    again = await pulled(made(), "org/tiny")
    assert again[-1].status == "is here already"
    assert hub.fetched("tiny-Q4_K_M.gguf") == [""]


async def test_safetensors_come_with_what_belongs_to_them_and_go_with_it(
    made: Made, hub: HubFake, folder: Path
) -> None:
    integration = made()
    assert await integration.download_model("org/llama") == [folder / "llama"]
    assert visible(folder) == {f"llama/{name}": LLAMA[name] for name in ("config.json", "tokenizer.json", WEIGHTS)}
    await integration.delete("org/llama")
    assert list(folder.iterdir()) == [folder / ".hub"]
    with pytest.raises(ModelNotFound):
        await integration.delete("org/llama")


async def test_several_are_fetched_by_name(made: Made, hub: HubFake, folder: Path) -> None:
    commit = hub.repos["org/tiny"].commit
    paths = await made().download_model("org/tiny", commit, ["Q8_0", "tiny-F16.gguf"])
    assert paths == [folder / "tiny-Q8_0.gguf", folder / "tiny-F16.gguf"]
    assert {path.name: path.read_bytes() for path in paths} == {path.name: TINY[path.name] for path in paths}


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("org/none", ModelNotFound, "'org/none' is not on the Hub, or not to be seen. If it is private, set HUGG"),
        ("org/tiny@v2", ModelNotFound, "no such revision"),
        (
            "org/gated",
            PermissionDenied,
            "accept its terms at {url}/org/gated, and set HUGGINGFACE_TOKEN to a token",
        ),
    ],
)
async def test_what_can_not_be_pulled_says_why(
    made: Made, hub: HubFake, folder: Path, name: str, error: type[PlatformError], said: str
) -> None:
    with pytest.raises(error) as raised:
        await pulled(made(), name)
    assert said.format(url=hub.url) in str(raised.value)
    assert not visible(folder) if folder.exists() else True


async def test_tokens(made: Made, hub: HubFake, folder: Path) -> None:
    with pytest.raises(PermissionDenied, match="with the account of the token"):
        await pulled(made(api_key=STRANGER), "org/gated")
    with pytest.raises(UpstreamAuthFailed, match="does not know the token of 'hub'"):
        await pulled(made(api_key="hf_wrong"), "org/gated")
    await pulled(made(api_key=TOKEN), "org/gated")
    assert visible(folder) == {"m.gguf": MEGABYTE}
    assert hub.tokens_at_store == {None}  # it goes to the Hub alone


async def test_without_a_hub_or_offline(made: Made) -> None:
    with pytest.raises(UpstreamUnavailable, match="can't be reached"):
        await made(hub_url="http://127.0.0.1:1").get_model_info("org/tiny")
    with pytest.raises(Conflict, match="HF_HUB_OFFLINE"):
        await made(offline=True).search_models("tiny")


async def test_a_connection_that_breaks_is_resumed_from_where_it_was(
    made: Made, hub: HubFake, folder: Path
) -> None:
    hub.faults["tiny-Q4_K_M.gguf"] = Fault(after=1 << 19, times=1)
    await pulled(made(), "org/tiny")
    assert visible(folder) == {"tiny-Q4_K_M.gguf": MEGABYTE}
    assert hub.fetched("tiny-Q4_K_M.gguf") == ["", f"bytes={1 << 19}-"]


async def test_the_process_that_asks_is_told_no_secret_where_others_could_read_it(
    made: Made, hub: HubFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    hub.faults["tiny-Q4_K_M.gguf"] = fault = Fault(hold=asyncio.Event())
    pulling = asyncio.create_task(pulled(made(api_key=TOKEN), "org/tiny"))
    async with asyncio.timeout(30):
        await fault.held.wait()
    [child] = [each for each in psutil.Process().children() if "hub_child.py" in " ".join(each.cmdline())]
    for secret in (TOKEN, "sk-canary"):
        assert secret not in " ".join([*child.cmdline(), *child.environ().values()])
    pulling.cancel()
    await asyncio.wait({pulling})
    assert not child.is_running()


async def test_a_pull_that_was_stopped_goes_on_with_the_same_commit(
    made: Made, hub: HubFake, folder: Path
) -> None:
    hub.faults["tiny-Q4_K_M.gguf"] = fault = Fault(after=1 << 19, hold=asyncio.Event())
    integration = made()
    pulling = asyncio.create_task(pulled(integration, "org/tiny"))
    async with asyncio.timeout(10):
        await fault.held.wait()
        await becomes(lambda: _has(folder, 1 << 19))
        pulling.cancel()
        await asyncio.wait({pulling}, timeout=1.0)
    assert pulling.done()
    assert visible(folder) == {}
    commit = hub.repos["org/tiny"].commit
    hub.change("org/tiny", **{"tiny-Q4_K_M__gguf": content("new", 1 << 20)})
    hub.faults.clear()
    steps = await pulled(made(), "org/tiny")
    assert visible(folder) == {"tiny-Q4_K_M.gguf": MEGABYTE}
    assert hub.fetched("tiny-Q4_K_M.gguf") == ["", f"bytes={1 << 19}-"]
    assert steps[-1].details["revision"] == commit
    await pulled(made(), "org/tiny")
    assert visible(folder) == {"tiny-Q4_K_M.gguf": content("new", 1 << 20)}


async def _has(folder: Path, size: int) -> bool:
    return any(path.stat().st_size >= size for path in folder.rglob("*.part"))


async def test_a_server_that_knows_no_ranges_begins_again(made: Made, hub: HubFake, folder: Path) -> None:
    hub.faults["tiny-Q4_K_M.gguf"] = Fault(after=1 << 19, times=1, deaf=True)
    await pulled(made(), "org/tiny")
    assert visible(folder) == {"tiny-Q4_K_M.gguf": MEGABYTE}


async def test_other_bytes_than_were_promised_are_never_shown(made: Made, hub: HubFake, folder: Path) -> None:
    hub.faults["tiny-Q4_K_M.gguf"] = Fault(corrupt=True)
    with pytest.raises(ProviderProtocolError, match="its digest differs"):
        await pulled(made(), "org/tiny")
    assert visible(folder) == {}
    assert not list(folder.rglob("*.part"))
    hub.faults.clear()
    await pulled(made(), "org/tiny")
    assert visible(folder) == {"tiny-Q4_K_M.gguf": MEGABYTE}


async def test_no_room_is_told_before_the_first_byte(made: Made, hub: HubFake, folder: Path) -> None:
    integration = made()
    integration._puller = Puller(integration._hub, folder, free=lambda _: 500_000)
    with pytest.raises(Overloaded) as raised:
        await pulled(integration, "org/tiny")
    assert "needs 1.0 MB and the file system of the models' folder has 0.5 MB free" in str(raised.value)
    assert hub.fetched("tiny-Q4_K_M.gguf") == []


async def test_a_disk_that_fills_up_on_the_way(
    made: Made, hub: HubFake, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process may write no larger file, which is what a full disk is to it."""
    from app.integrations.model_platforms.huggingface import hub as module

    limited = tmp_path / "limited.py"
    limited.write_text(
        "import resource, runpy\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"
        f"runpy.run_path({str(module._CHILD)!r}, run_name='__main__')\n"
    )
    with monkeypatch.context() as patch:
        patch.setattr(module, "_CHILD", limited)
        with pytest.raises(Overloaded, match="is full"):
            await pulled(made(), "org/tiny")
    assert visible(folder) == {}
    await pulled(made(), "org/tiny")
    assert visible(folder) == {"tiny-Q4_K_M.gguf": MEGABYTE}
    assert hub.fetched("tiny-Q4_K_M.gguf")[1].startswith("bytes=")


async def test_a_commit_that_is_gone_is_decided_on_anew(made: Made, hub: HubFake, folder: Path) -> None:
    tiny = RemoteFile(name="tiny-Q4_K_M.gguf", size=1 << 20, sha256="0" * 64)
    choice = Choice(files=(tiny,), format="gguf", why="")
    shelf = Shelf(folder)
    shelf.keep_plan(Wanted("org/tiny"), shelf.make_plan(Repository(id="org/tiny", commit="0" * 40), choice))
    with pytest.raises(ModelNotFound):
        await pulled(made(), "org/tiny")
    await pulled(made(), "org/tiny")
    assert visible(folder) == {"tiny-Q4_K_M.gguf": MEGABYTE}


async def test_a_token_need_not_mean_inference(made: Made, hub: HubFake, folder: Path) -> None:
    integration = made(api_key=TOKEN, base_url="http://127.0.0.1:1", inference=False)
    await integration.initialize()
    assert integration.accepts_unlisted is False
    assert await integration.health_check() == HealthReport(HealthStatus.HEALTHY, details={"infers": False})
    await integration.shutdown()


async def test_what_somebody_put_there_meanwhile_is_left_alone(made: Made, hub: HubFake, folder: Path) -> None:
    hub.faults["tiny-Q4_K_M.gguf"] = fault = Fault(after=1 << 19, hold=asyncio.Event())
    pulling = asyncio.create_task(pulled(made(), "org/tiny"))
    async with asyncio.timeout(30):
        await fault.held.wait()
    (folder / "tiny-Q4_K_M.gguf").write_bytes(b"mine")
    assert fault.hold is not None
    fault.hold.set()
    with pytest.raises(Conflict, match="was put into the models' folder meanwhile"):
        await pulling
    assert visible(folder) == {"tiny-Q4_K_M.gguf": b"mine"}
    (folder / "tiny-Q4_K_M.gguf").unlink()
    await pulled(made(), "org/tiny")
    assert visible(folder) == {"tiny-Q4_K_M.gguf": MEGABYTE}
    assert hub.fetched("tiny-Q4_K_M.gguf") == [""]


async def test_a_folder_that_can_not_be_made(made: Made, folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(Overloaded, match="can't be written"):
        await pulled(made(), "org/tiny")
