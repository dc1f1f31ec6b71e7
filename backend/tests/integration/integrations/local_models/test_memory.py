"""In and out of memory: loading, unloading, and what is left behind."""

import asyncio
import os
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

import app
from app.core.integration_framework import HealthStatus, IntegrationConfigError
from app.domain.errors import ModelNotFound, UpstreamUnavailable
from app.domain.models import ModelLoaded, ModelsChanged, ModelUnloaded
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from app.integrations.model_platforms.local_models.registry import DEMO_PATH
from app.testing.clock import VirtualClock
from tests.integration.integrations.local_models.asking import answered, asked, custom_models, text, until


def loaded(custom: CustomModelsIntegration) -> dict[str, bool | None]:
    return {model.id: model.loaded for model in custom.models()}


async def test_the_first_question_loads_the_model(custom: CustomModelsIntegration) -> None:
    assert loaded(custom) == {"demo": False}
    await answered(custom, asked(max_tokens=1))
    assert loaded(custom) == {"demo": True}


async def test_load_and_unload_are_told(custom: CustomModelsIntegration) -> None:
    told: list[object] = []
    custom.publish = told.append  # type: ignore[method-assign]
    await custom.load("demo")
    assert loaded(custom) == {"demo": True}
    await custom.unload("demo")
    assert loaded(custom) == {"demo": False}
    kinds = [type(event) for event in told]
    assert kinds == [ModelsChanged, ModelLoaded, ModelsChanged, ModelUnloaded, ModelsChanged]
    for call in (custom.load, custom.unload):
        with pytest.raises(ModelNotFound):
            await call("nobody")


async def test_an_idle_model_leaves_memory() -> None:
    clock = VirtualClock()
    async with custom_models(clock, idle_unload_seconds=60) as custom:
        await answered(custom, asked(max_tokens=1))
        await clock.advance(59)
        assert loaded(custom) == {"demo": True}
        await clock.advance(2)
        await until(lambda: loaded(custom) == {"demo": False})
        assert text(await answered(custom, asked()))


async def test_preloading_happens_behind_the_start() -> None:
    async with custom_models(preload=["*"]) as custom:
        await until(lambda: loaded(custom) == {"demo": True})


async def test_a_wrong_name_in_preload_harms_nobody() -> None:
    async with custom_models(preload=["nobody", "demo"]) as custom:
        await until(lambda: loaded(custom) == {"demo": True})


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads and sockets in /proc")
async def test_nothing_is_left_behind() -> None:
    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    async with custom_models() as custom:
        await answered(custom, asked(max_tokens=1))
    await until(lambda: not any(thread.name.startswith("llama") for thread in threading.enumerate()))
    # The first life leaves the library's own logging thread; a second must add nothing.
    before, tasks = threads(), asyncio.all_tasks()
    async with custom_models() as custom:
        await answered(custom, asked(max_tokens=1))
        assert threads() > before
    await until(lambda: threads() <= before)
    assert asyncio.all_tasks() == tasks


def _listening() -> set[str]:
    """What this process listens on: TCP addresses and socket paths."""
    inodes = set()
    for entry in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            inodes.add(os.readlink(f"/proc/self/fd/{entry}").removeprefix("socket:[").removesuffix("]"))
    addresses = {
        columns[1]
        for table in ("tcp", "tcp6")
        for columns in _table(table)
        if columns[3] == "0A" and columns[9] in inodes
    }
    paths = {columns[-1] for columns in _table("unix") if columns[6] in inodes and int(columns[3], 16) & 0x10000}
    return addresses | paths


def _table(name: str) -> list[list[str]]:
    return [line.split() for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the tables of sockets in /proc")
async def test_the_one_door_is_for_this_user_alone(custom: CustomModelsIntegration) -> None:
    before = _listening()
    await custom.load("demo")
    doors = _listening() - before
    assert len(doors) == 1
    door = Path(doors.pop())
    folder = door.parent.stat()
    assert (stat.S_IMODE(folder.st_mode), folder.st_uid) == (0o700, os.getuid())
    assert list(door.parent.iterdir()) == [door]
    await custom.unload("demo")
    assert not door.parent.exists()
    assert _listening() <= before


def _folder(path: Path) -> Path:
    sound = DEMO_PATH.read_bytes()
    (path / "good one.gguf").write_bytes(sound)
    (path / "cut.gguf").write_bytes(sound[:500_000])
    (path / "empty.gguf").write_bytes(b"")
    (path / "torch.bin").write_bytes(b"PK\x03\x04" + bytes(40))
    (path / "weights.safetensors").write_bytes((600).to_bytes(8, "little") + b"{}")
    (path / "pipe.gguf").mkdir()
    (path / "README.md").write_text("not a model")
    return path


async def test_a_folder_of_good_and_bad_files(tmp_path: Path) -> None:
    async with custom_models(directory=str(_folder(tmp_path))) as custom:
        assert set(loaded(custom)) == {"demo", "good-one"}
        assert text(await answered(custom, asked(), model="good-one"))
        report = await custom.health_check()
    assert report.details["models"] == ["demo", "good-one"]
    assert report.message == "5 of the files in the folder can't be used; the details tell why."
    assert report.details["loaded"] == {"good-one": ["generation"]}
    complaints = {
        "cut.gguf": "cut short",
        "empty.gguf": "no GGUF, safetensors or PyTorch file",
        "torch.bin": "no config.json beside it",
        "weights.safetensors": "no config.json beside it",
        "pipe.gguf": "not a regular file",
    }
    assert report.details["unsupported"].keys() == complaints.keys()
    for name, complaint in complaints.items():
        assert complaint in report.details["unsupported"][name]


async def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "out.gguf").symlink_to(DEMO_PATH)
    (folder / "nowhere.gguf").symlink_to(folder / "missing")
    (folder / "inside.gguf").write_bytes(DEMO_PATH.read_bytes())
    (folder / "again.gguf").symlink_to(folder / "inside.gguf")
    async with custom_models(directory=str(folder), demo=False) as custom:
        assert set(loaded(custom)) == {"again", "inside"}
        rejected = (await custom.health_check()).details["unsupported"]
        assert "leads out of the folder" in rejected["out.gguf"]
        assert "cannot be read" in rejected["nowhere.gguf"]


async def test_files_that_come_and_go_are_seen(tmp_path: Path) -> None:
    async with custom_models(directory=str(tmp_path), demo=False) as custom:
        assert loaded(custom) == {}
        path = tmp_path / "new.gguf"
        path.write_bytes(DEMO_PATH.read_bytes())
        await custom.rescan()
        assert loaded(custom) == {}
        await custom.rescan()
        assert text(await answered(custom, asked(), model="new"))
        path.unlink()
        await custom.health_check()
        assert loaded(custom) == {}
        with pytest.raises(ModelNotFound):
            await answered(custom, asked(), model="new")


async def test_a_name_is_given_once(tmp_path: Path) -> None:
    for name in ("demo.gguf", "a b.gguf", "a-b.gguf"):
        (tmp_path / name).write_bytes(DEMO_PATH.read_bytes())
    async with custom_models(directory=str(tmp_path)) as custom:
        assert set(loaded(custom)) == {"demo", "a-b"}
        rejected = (await custom.health_check()).details["unsupported"]
    assert "'demo' is taken" in rejected["demo.gguf"]
    assert "'a-b' is taken" in rejected["a-b.gguf"]


async def test_a_sound_header_that_llama_cpp_cannot_run_is_told(tmp_path: Path) -> None:
    strange = DEMO_PATH.read_bytes().replace(b"\5\0\0\0\0\0\0\0llama", b"\5\0\0\0\0\0\0\0llamb", 1)
    (tmp_path / "strange.gguf").write_bytes(strange)
    async with custom_models(directory=str(tmp_path)) as custom:
        with pytest.raises(UpstreamUnavailable, match=r"'strange' cannot be loaded: llama\.cpp cannot run it"):
            await answered(custom, asked(), model="strange")
        assert text(await answered(custom, asked()))


async def test_a_file_that_broke_since_it_was_found_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "short.gguf"
    path.write_bytes(DEMO_PATH.read_bytes())
    async with custom_models(directory=str(tmp_path)) as custom:
        os.truncate(path, 300_000)
        with pytest.raises(UpstreamUnavailable, match="'short' cannot be loaded: it is cut short"):
            await answered(custom, asked(), model="short")


async def test_a_folder_that_vanishes_leaves_the_demo_serving(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    async with custom_models(directory=str(folder)) as custom:
        folder.rmdir()
        report = await custom.health_check()
        assert report.status is HealthStatus.DEGRADED
        assert f"{folder}, is not there" in report.message
        assert text(await answered(custom, asked()))


async def test_a_folder_that_is_not_there_yet_is_used_once_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    async with custom_models(directory=str(folder)) as custom:
        assert (await custom.health_check()).status is HealthStatus.DEGRADED
        assert set(loaded(custom)) == {"demo"}
        folder.mkdir()
        (folder / "new.gguf").write_bytes(DEMO_PATH.read_bytes())
        await custom.rescan()
        assert (await custom.health_check()).status is HealthStatus.HEALTHY
        assert set(loaded(custom)) == {"demo", "new"}


async def test_parts_of_a_split_file_are_one_model(tmp_path: Path) -> None:
    sound = DEMO_PATH.read_bytes()
    for name in ("whole-00001-of-00002.gguf", "whole-00002-of-00002.gguf", "half-00001-of-00002.gguf"):
        (tmp_path / name).write_bytes(sound)
    async with custom_models(directory=str(tmp_path), demo=False) as custom:
        assert [(model.id, model.size_bytes) for model in custom.models()] == [("whole", 2 * len(sound))]
        rejected = (await custom.health_check()).details["unsupported"]
    assert rejected == {"half-00001-of-00002.gguf": "its part 2 of 2 is missing"}


async def test_without_the_runtime_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(IntegrationConfigError, match="pip install xllamacpp"):
        async with custom_models():
            raise AssertionError("it must not come up")


def test_the_runtime_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, app.integrations.model_platforms.local_models.integration;"
        "sys.exit(not {'xllamacpp', 'numpy', 'gguf'}.isdisjoint(sys.modules))"
    )
    root = Path(app.__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60).returncode == 0


async def test_a_hundred_requests_take_turns_where_there_is_memory_for_one_model(tmp_path: Path) -> None:
    (tmp_path / "other.gguf").write_bytes(DEMO_PATH.read_bytes())
    async with custom_models(directory=str(tmp_path), slots=1, memory_budget="56M") as custom:
        told: list[object] = []
        custom.publish = told.append  # type: ignore[method-assign]
        most = 0

        async def ask(model: str) -> str:
            nonlocal most
            result = await answered(custom, asked(max_tokens=4), model=model)
            most = max(most, sum(each.memory_bytes or 0 for each in custom.residents()))
            return text(result)

        first = [await ask(("demo", "other")[number % 2]) for number in range(50)]
        assert sum(isinstance(event, ModelLoaded) for event in told) == 50
        then = await asyncio.gather(*(ask(("demo", "other")[number % 2]) for number in range(50)))
        assert set(first) == set(then)
        assert 0 < most <= 56 << 20
        loads = sum(isinstance(event, ModelLoaded) for event in told)
        assert 51 <= loads <= 60
        assert loads - sum(isinstance(event, ModelUnloaded) for event in told) == 1


async def test_fifty_first_requests_cause_one_load() -> None:
    async with custom_models() as custom:
        told: list[object] = []
        custom.publish = told.append  # type: ignore[method-assign]
        results = await asyncio.gather(*(answered(custom, asked(max_tokens=2)) for _ in range(50)))
        assert len({text(result) for result in results}) == 1
        assert sum(isinstance(event, ModelLoaded) for event in told) == 1


async def test_what_does_not_fit_into_the_budget_is_refused_with_the_way_out() -> None:
    async with custom_models(memory_budget="1M") as custom:
        with pytest.raises(UpstreamUnavailable, match="may take 1 together: raise memory_budget, or lower"):
            await custom.load("demo")


async def test_what_cannot_be_loaded_is_not_pinned(tmp_path: Path) -> None:
    path = tmp_path / "short.gguf"
    path.write_bytes(DEMO_PATH.read_bytes())
    async with custom_models(directory=str(tmp_path), max_loaded=1) as custom:
        os.truncate(path, 300_000)
        with pytest.raises(UpstreamUnavailable, match="cut short"):
            await custom.pin("short")
        path.write_bytes(DEMO_PATH.read_bytes())
        await custom.rescan()
        await custom.rescan()
        await custom.load("short")
        await custom.load("demo")
        assert loaded(custom) == {"demo": True, "short": False}


async def test_what_was_pinned_stays_so_when_it_cannot_be_loaded_for_now(tmp_path: Path) -> None:
    path = tmp_path / "short.gguf"
    path.write_bytes(DEMO_PATH.read_bytes())
    async with custom_models(directory=str(tmp_path), pinned=["short"]) as custom:
        await until(lambda: loaded(custom)["short"])
        await custom.unload("short")
        os.truncate(path, 300_000)
        with pytest.raises(UpstreamUnavailable, match="cut short"):
            await custom.pin("short")
        path.write_bytes(DEMO_PATH.read_bytes())
        await custom.rescan()
        await custom.rescan()
        await custom.load("short")
        assert [each.pinned for each in custom.residents()] == [True]


async def test_a_pinned_model_is_there_from_the_start() -> None:
    async with custom_models(pinned=["demo"], max_loaded=1) as custom:
        await until(lambda: loaded(custom) == {"demo": True})
        assert [each.pinned for each in custom.residents()] == [True]
        await custom.unpin("demo")
        assert [each.pinned for each in custom.residents()] == [False]
        await custom.pin("demo")
        assert [each.pinned for each in custom.residents()] == [True]


async def test_a_schedule_brings_a_model_in() -> None:
    clock = VirtualClock()
    due = datetime.fromtimestamp(clock.now() + 3600).replace(second=0, microsecond=0)
    async with custom_models(clock, prewarm=[{"models": ["demo"], "at": [f"{due:%H:%M}"]}]) as custom:
        await clock.settle()
        assert loaded(custom) == {"demo": False}
        await clock.advance(3600)
        await until(lambda: loaded(custom) == {"demo": True})
