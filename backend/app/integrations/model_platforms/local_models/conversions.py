"""Converted models: kept in a folder under the digest of what they were made from, made when first needed.

Each conversion is a process of its own, which can be ended at any time, holds up nobody, and has nothing in its
environment. What it leaves unfinished has another name than what is offered.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterable
from pathlib import Path

import msgspec

from app.integrations.model_platforms.local_models.checkpoints import Checkpoint
from app.integrations.model_platforms.local_models.conversion.unfinished import remove_abandoned
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.runtime import LoadFailed
from app.integrations.model_platforms.local_models.tenants import Arrival

_PROGRAM = "app.integrations.model_platforms.local_models.conversion"
# A converted model takes no more than what it is made from, but for the vocabulary.
_SPARE_BYTES = 64 << 20
KEPT_SECONDS = 7 * 86400
"""How long after its last use a conversion is kept whose source is not there. Others may share the folder."""

# No key is among them.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")


class _Line(msgspec.Struct, frozen=True):
    fraction: float | None = None
    error: str | None = None
    done: bool = False


class Conversions:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # One at a time: it takes a core and most of what the disk can do.
        self._turn = asyncio.Semaphore(1)

    def target(self, checkpoint: Checkpoint) -> Path:
        return self._folder / f"{checkpoint.digest}.gguf"

    async def converted(self, model: LocalModel, checkpoint: Checkpoint, arrival: Arrival) -> Path:
        """The model's GGUF file, made unless it is there. Raises LoadFailed, OSError, and what `arrival.told`
        does.
        """
        target = self.target(checkpoint)
        if await asyncio.to_thread(_used, target):
            return target
        async with self._turn:
            await self._convert(model, checkpoint, arrival, target)
        return target

    async def _convert(self, model: LocalModel, checkpoint: Checkpoint, arrival: Arrival, target: Path) -> None:
        arrival.told("converting", 0.0)
        await asyncio.to_thread(self._prepare, model)
        process = await self._start(model, checkpoint, target)
        try:
            await _followed(process, arrival)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await asyncio.to_thread(self.tidy)

    def tidy(self) -> None:
        """Remove what was left unfinished. Blocks."""
        remove_abandoned(self._folder)

    def sweep(self, there: Iterable[Checkpoint]) -> None:
        """Remove what nobody has used for long and is not of those that are there: their files went, or changed,
        while no platform looked. Blocks.
        """
        wanted, before = {self.target(checkpoint) for checkpoint in there}, time.time() - KEPT_SECONDS
        for path in self._folder.glob("*.gguf"):
            with contextlib.suppress(OSError):
                if path not in wanted and path.stat().st_mtime < before:
                    path.unlink()

    def forget(self, checkpoint: Checkpoint) -> None:
        """Remove what was made of it. Blocks."""
        with contextlib.suppress(OSError):
            self.target(checkpoint).unlink(missing_ok=True)

    def _prepare(self, model: LocalModel) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        needed, free = model.size_bytes + _SPARE_BYTES, shutil.disk_usage(self._folder).free
        if needed > free:
            raise LoadFailed(
                f"converting it takes up to {needed >> 20} MiB in data_dir, where {free >> 20} MiB are free"
            )

    async def _start(self, model: LocalModel, checkpoint: Checkpoint, target: Path) -> Process:
        arguments: list[str | Path] = [checkpoint.folder, target, model.id, *checkpoint.files]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # else a folder `app` in the current one would be taken for the platform
            "-m",
            _PROGRAM,
            *[os.fspath(each) for each in arguments],
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
            | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )


def _used(target: Path) -> bool:
    """Whether it is there. Its time of change tells when it was last used. Blocks."""
    with contextlib.suppress(OSError):  # a folder that can't be written
        os.utime(target)
    return target.exists()


async def _followed(process: Process, arrival: Arrival) -> None:
    """Until it is done. Raises LoadFailed with what it says, or when it ends without a word."""
    assert process.stdout is not None
    async for raw in process.stdout:
        line = msgspec.json.decode(raw, type=_Line)
        if line.error is not None:
            raise LoadFailed(line.error)
        if line.done:
            return
        arrival.told("converting", line.fraction or 0.0)
    status = await process.wait()
    raise LoadFailed(f"its conversion ended with status {status}; there may be too little memory for it")
