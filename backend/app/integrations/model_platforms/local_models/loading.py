"""How a model comes into memory: converted if it must be, read, and run by llama.cpp."""

import asyncio
import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.core.data_folder import data_folder
from app.integrations.model_platforms.local_models import memory, runtime
from app.integrations.model_platforms.local_models.conversions import Conversions
from app.integrations.model_platforms.local_models.engine import Engine
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.settings import CustomModelsSettings
from app.integrations.model_platforms.local_models.tenants import Arrival

_log = logging.getLogger(__name__)
_CONVERTED = "converted-models"
_MOST_THREADS = 8
# Below this a model is computed faster than threads can agree on who does what.
_SMALL_BYTES = 64 << 20


class EngineLoader:
    """Satisfies residency.Loader."""

    def __init__(self, settings: CustomModelsSettings) -> None:
        self._settings = settings
        self._gpu: int | None = None
        self.conversions = Conversions((settings.data_dir or data_folder()) / _CONVERTED)
        # One at a time: a load keeps the whole machine busy.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="llama-load")

    async def tidy(self, models: Iterable[LocalModel] | None) -> None:
        """Remove what conversions left unfinished, and what was made of none of the `models`: of no other where
        that is None, as nobody can tell which there are.
        """
        run = asyncio.get_running_loop().run_in_executor
        await run(self._thread, self.conversions.tidy)
        if models is not None:
            checkpoints = [model.checkpoint for model in models if model.checkpoint is not None]
            await run(self._thread, self.conversions.sweep, checkpoints)

    async def look(self) -> None:
        """Find out what there is for models, once: the runtime has to be there for that."""
        if self._gpu is None:
            wanted = self._settings.gpu_layers != 0
            look = asyncio.get_running_loop().run_in_executor
            self._gpu = await look(self._thread, runtime.gpu_memory) if wanted else 0

    @property
    def budget(self) -> int:
        """Bytes that all models may take: of the GPUs, where whole models go there, else of the machine."""
        whole = self._gpu if self._settings.gpu_layers < 0 else None
        return self._settings.memory_budget or (int(memory.SHARE * whole) if whole else memory.default_budget())

    @property
    def location(self) -> str:
        if not self._gpu:
            return "cpu"
        return "gpu" if self._settings.gpu_layers < 0 else "cpu+gpu"

    def window(self, model: LocalModel) -> int:
        """Tokens that one request may take."""
        return min(model.header.context_length or self._settings.context_size, self._settings.context_size)

    def need(self, model: LocalModel) -> int:
        """Bytes of memory, as estimated."""
        tokens = self.window(model) * self._settings.slots
        return memory.estimate(model.header, size=model.size_bytes, tokens=tokens)

    async def prepare(self, model: LocalModel, arrival: Arrival) -> Path:
        if model.checkpoint is None:
            return model.files[0]
        return await self.conversions.converted(model, model.checkpoint, arrival)

    async def open(self, model: LocalModel, mode: runtime.Mode, path: Path, arrival: Arrival) -> Engine:
        spec = runtime.ServerSpec(
            files=(path,) if model.checkpoint else model.files,
            alias=model.id,
            mode=mode,
            context=self.window(model),
            slots=self._settings.slots,
            threads=self._settings.threads or _threads_for(model),
            gpu_layers=self._settings.gpu_layers,
            fit_gpu=bool(self._gpu),
            own_pooling=model.header.pooling,
        )
        loop = asyncio.get_running_loop()
        server, door = await loop.run_in_executor(self._thread, runtime.open_server, spec, arrival.told)
        _log.info("loaded %s (%s)", model.id, mode)
        return Engine(server, door, slots=self._settings.slots, name=model.id)

    def forget(self, model: LocalModel) -> None:
        """Remove what was converted of it, without waiting for that."""
        if model.checkpoint is not None:
            self._thread.submit(self.conversions.forget, model.checkpoint)

    def close(self) -> None:
        self._thread.shutdown(wait=False)


def _threads_for(model: LocalModel) -> int:
    if model.size_bytes < _SMALL_BYTES:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(_MOST_THREADS, cores or 1)
