"""The memory of NVIDIA GPUs, as their library tells it (NVML). Without the library there are none.

https://docs.nvidia.com/deploy/nvml-api/
"""

import asyncio
import ctypes
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import Any

from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.sight import Seen, seen

ANSWER_SECONDS = 1.0
"""How long a driver may take that hangs, as it does when a GPU has fallen off the bus."""

_LIBRARY = "libnvidia-ml.so.1"
_OK = 0

logger = logging.getLogger(__name__)


class _Memory(ctypes.Structure):
    """nvmlMemory_t; bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Failed(Exception):
    pass


class Gpus:
    """`load` finds the library. What is not told is left out, and is told of once in the log."""

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._load = load
        self._library: Any = None
        self._absent = False
        self._asking: asyncio.Future[list[Seen]] | None = None
        self._trouble: set[str] = set()

    async def look(self) -> list[Seen]:
        """Whatever the driver does, this takes ANSWER_SECONDS at most, and there is one thread at most."""
        if self._absent:
            return []
        asking = self._asking
        if asking is None or asking.done():
            asking = self._asking = self._begin()
        await asyncio.wait({asking}, timeout=ANSWER_SECONDS)
        if asking.done():
            return asking.result()
        self._tell("their driver does not answer")
        return []

    def _begin(self) -> asyncio.Future[list[Seen]]:
        """In a thread of its own: the loop's are everybody's, and waited for at the end of the process."""
        answer: Future[list[Seen]] = Future()
        Thread(target=self._ask, args=(answer,), name="gpus", daemon=True).start()
        return asyncio.wrap_future(answer)

    def close(self) -> None:
        library, self._library, self._absent = self._library, None, True
        if library is not None and (self._asking is None or self._asking.done()):
            library.nvmlShutdown()

    def _ask(self, answer: Future[list[Seen]]) -> None:
        try:
            answer.set_result(list(self._memory()))
        except OSError:
            self._absent = True  # no such library: no such GPU
            answer.set_result([])
        except Exception as error:
            self._tell(str(error))
            answer.set_result([])

    def _memory(self) -> Iterator[Seen]:
        library = self._library
        if library is None:
            library = self._load(_LIBRARY)
            _check("nvmlInit_v2", library.nvmlInit_v2())
            self._library = library
        count = ctypes.c_uint()
        _check("nvmlDeviceGetCount_v2", library.nvmlDeviceGetCount_v2(ctypes.byref(count)))
        for index in range(count.value):
            try:
                memory = _memory_of(library, index)
            except _Failed as failure:
                self._tell(f"{failure} for GPU {index}")
            else:
                yield seen(families.GPU_USED, memory.used, str(index))
                yield seen(families.GPU_TOTAL, memory.total, str(index))

    def _tell(self, trouble: str) -> None:
        if trouble not in self._trouble:
            self._trouble.add(trouble)
            logger.warning("the memory of GPUs is not told: %s", trouble)


def _memory_of(library: Any, index: int) -> _Memory:
    device, memory = ctypes.c_void_p(), _Memory()
    found = library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device))
    _check("nvmlDeviceGetHandleByIndex_v2", found)
    _check("nvmlDeviceGetMemoryInfo", library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)))
    return memory


def _check(function: str, code: int) -> None:
    if code != _OK:
        raise _Failed(f"{function} answered {code}")
