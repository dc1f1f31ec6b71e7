"""The demo model in each format that a folder may hold: the same answers, and none from what is not whole."""

import asyncio
import fcntl
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from app.domain.errors import UpstreamUnavailable
from app.integrations.model_platforms.local_models.integration import CustomModelsIntegration
from app.integrations.model_platforms.local_models.registry import DEMO_PATH
from tests.integration.integrations.local_models.asking import answered, asked, custom_models, text, until
from tests.servers.demo_checkpoint import write_description, write_safetensors, write_torch

QUESTIONS = ("What is a pod?", "How do I use a real model?", "What does a service do?")


async def greedy(custom: CustomModelsIntegration, model: str) -> list[str]:
    return [text(await answered(custom, asked(question), model=model)) for question in QUESTIONS]


def kept(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "converted-models").glob("*"))


def settings(tmp_path: Path) -> dict[str, str]:
    return {"directory": str(tmp_path / "models"), "data_dir": str(tmp_path / "data")}


async def test_the_same_answers_from_every_format(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    write_safetensors(folder / "whole")
    write_safetensors(folder / "sharded", shards=3)
    write_torch(folder / "torch" / "weights.pt")
    (folder / "disguised.bin").write_bytes(DEMO_PATH.read_bytes())
    async with custom_models(**settings(tmp_path)) as custom:
        formats = {model.id: model.format for model in custom.models()}
        assert formats == {
            "demo": "gguf",
            "disguised": "gguf",
            "whole": "safetensors",
            "sharded": "safetensors",
            "weights": "pytorch",
        }
        told = {model.id: (model.family, model.context_window, model.capabilities) for model in custom.models()}
        assert len(set(told.values())) == 1
        answers = await greedy(custom, "demo")
        for model in ("disguised", "whole", "sharded", "weights"):
            assert await greedy(custom, model) == answers
    assert len(kept(tmp_path / "data")) == 3


async def test_a_conversion_is_kept_until_its_source_is_another(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "mine"
    write_safetensors(folder)
    async with custom_models(**settings(tmp_path)) as custom:
        await custom.load("mine")
    (first,) = kept(tmp_path / "data")
    made = (tmp_path / "data" / "converted-models" / first).stat().st_ino
    async with custom_models(**settings(tmp_path)) as custom:
        await custom.load("mine")
        assert (tmp_path / "data" / "converted-models" / first).stat().st_ino == made
        write_safetensors(folder)
        await custom.rescan()
        await custom.rescan()
        await custom.load("mine")
        await until(lambda: first not in kept(tmp_path / "data"))
        assert len(kept(tmp_path / "data")) == 1
        await custom.delete("mine")
        assert [model.id for model in custom.models()] == ["demo"]
        await until(lambda: kept(tmp_path / "data") == [])
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


async def test_a_conversion_runs_no_code_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_safetensors(tmp_path / "models" / "mine")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    async with custom_models(**settings(tmp_path)) as custom:
        await custom.load("mine")


class Attack:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.canary}",)


async def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path: Path) -> None:
    folder, canary = tmp_path / "models", tmp_path / "canary"
    write_torch(folder / "evil.bin", pickled=pickle.dumps({"weight": Attack(canary)}, 2))
    async with custom_models(**settings(tmp_path)) as custom:
        with pytest.raises(UpstreamUnavailable, match=r"wants to use 'posix\.system'.*it may be an attack"):
            await answered(custom, asked(), model="evil")
        assert text(await answered(custom, asked()))
    assert not canary.exists()
    assert kept(tmp_path / "data") == []


async def test_what_cannot_be_run_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    write_description(folder)
    (folder / "old.ggml").write_bytes(b"lmgg" + bytes(100))
    (folder / "older.bin").write_bytes(b"\x80\x02}.")
    (folder / "short.safetensors").write_bytes((100).to_bytes(8, "little") + b'{"a"')
    write_safetensors(folder / "bare")
    (folder / "bare" / "tokenizer.json").unlink()
    async with custom_models(**settings(tmp_path), demo=False) as custom:
        told = (await custom.health_check()).details["unsupported"]
        assert "convert_llama_ggml_to_gguf.py" in told["old.ggml"]
        assert "may be cut short" in told["short.safetensors"]
        assert "AutoTokenizer" in told["bare/model.safetensors"]
        with pytest.raises(UpstreamUnavailable, match=r"written by a torch before 1\.6"):
            await custom.load("older")


@pytest.mark.parametrize(
    ("days", "there", "left"), [(8, False, False), (6, False, True), (8, True, True), (8, None, True)]
)
async def test_what_was_made_of_files_that_are_gone_stays_for_a_week(
    tmp_path: Path, days: int, there: bool | None, left: bool
) -> None:
    """`there`: whether the files are; None where the whole folder is not, as a disk that is not mounted."""
    folder = tmp_path / "models"
    write_safetensors(folder / "mine")
    async with custom_models(**settings(tmp_path)) as custom:
        await custom.load("mine")
    [name] = kept(tmp_path / "data")
    used = time.time() - days * 86400
    os.utime(tmp_path / "data" / "converted-models" / name, (used, used))
    if not there:
        shutil.rmtree(folder if there is None else folder / "mine")
    async with custom_models(**settings(tmp_path)) as custom:
        assert kept(tmp_path / "data") == ([name] if left else [])
        if there:
            await custom.load("mine")
            assert (tmp_path / "data" / "converted-models" / name).stat().st_mtime > used + 1


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


async def test_a_conversion_can_be_given_up(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "models" / "mine")
    async with custom_models(**settings(tmp_path)) as custom:
        before = {child.pid for child in _children()}
        target = _target(custom, "mine")
        with _held_up(target):
            loading = asyncio.create_task(custom.load("mine"))
            await until(lambda: any(child.pid not in before for child in _children()))
            (child,) = (child for child in _children() if child.pid not in before)
            (resident,) = custom.residents()
            assert (resident.model, resident.status, resident.stage) == ("mine", "loading", "converting")
            assert [model.loading for model in custom.models()] == [False, True]
            await custom.unload("mine")
            with pytest.raises(UpstreamUnavailable, match="its loading was stopped"):
                await loading
        assert not child.is_running()
        assert custom.residents() == []
        assert not target.exists()
        await custom.load("mine")
        assert kept(tmp_path / "data") == [target.name]


def _target(custom: CustomModelsIntegration, model: str) -> Path:
    checkpoint = custom._shelf.models[model].checkpoint
    assert checkpoint is not None
    return custom._loader.conversions.target(checkpoint)


@contextmanager
def _held_up(target: Path) -> Iterator[None]:
    """Conversions to `target` wait: somebody else seems to be at it."""
    target.parent.mkdir(parents=True)
    with (target.parent / f".{target.name}.unfinished").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _conversion(folder: Path, target: Path, output: int) -> "subprocess.Popen[bytes]":
    program = "app.integrations.model_platforms.local_models.conversion"
    command = [sys.executable, "-m", program, str(folder), str(target), "mine", str(folder / "model.safetensors")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env=environment)


def _full_pipe() -> tuple[int, int]:
    """Who writes to it waits: a conversion stops at the first tensor that it tells of."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(writing, bytes(size))
    os.set_blocking(writing, True)
    return reading, writing


@pytest.mark.parametrize("end", ["killed", "nobody listens"])
async def test_nothing_half_made_is_offered(tmp_path: Path, end: str) -> None:
    folder, data = tmp_path / "models" / "mine", tmp_path / "data" / "converted-models"
    write_safetensors(folder)
    data.mkdir(parents=True)
    async with custom_models(**settings(tmp_path)) as custom:
        target = _target(custom, "mine")
    reading, writing = _full_pipe()
    process = _conversion(folder, target, writing)
    os.close(writing)
    unfinished = data / f".{target.name}.unfinished"
    await until(lambda: unfinished.exists() and unfinished.stat().st_size > 0)
    if end == "killed":
        process.send_signal(signal.SIGKILL)
        os.close(reading)
    else:
        os.close(reading)
    assert process.wait(20) != 0
    assert not target.exists()
    assert unfinished.exists() == (end == "killed")
    async with custom_models(**settings(tmp_path)) as custom:
        assert kept(tmp_path / "data") == []
        assert text(await answered(custom, asked(), model="mine"))
    assert kept(tmp_path / "data") == [target.name]
