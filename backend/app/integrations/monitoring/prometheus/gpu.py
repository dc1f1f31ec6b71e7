"""The memory of NVIDIA GPUs, as their library tells it (NVML). Without the library there are none.

https://docs.nvidia.com/deploy/nvml-api/
"""

import ctypes
import logging
from collections.abc import Callable, Iterator
from typing import Any

from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.sight import Seen, seen

_LIBRARY = "libnvidia-ml.so.1"
_OK = 0

logger = logging.getLogger(__name__)


class _Memory(ctypes.Structure):
    """nvmlMemory_t; bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Failed(Exception):
    pass


class Gpus:
    """`load` finds the library. It may take a while, as every question to it may: not for the event loop."""

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._load = load
        self._library: Any = None
        self._given_up = False

    def look(self) -> list[Seen]:
        """Nothing where there is no GPU, or it can't be asked; that is told once."""
        if self._given_up:
            return []
        try:
            if self._library is None:
                self._library = self._opened()
            return list(self._memory())
        except _Failed as failure:
            self._given_up = True
            logger.warning("the memory of the GPUs is not told: %s", failure)
        except OSError:
            self._given_up = True  # no such library: no such GPU
        return []

    def close(self) -> None:
        library, self._library, self._given_up = self._library, None, True
        if library is not None:
            library.nvmlShutdown()

    def _opened(self) -> Any:
        library = self._load(_LIBRARY)
        _check("nvmlInit_v2", library.nvmlInit_v2())
        return library

    def _memory(self) -> Iterator[Seen]:
        count = ctypes.c_uint()
        _check("nvmlDeviceGetCount_v2", self._library.nvmlDeviceGetCount_v2(ctypes.byref(count)))
        for index in range(count.value):
            device, memory = ctypes.c_void_p(), _Memory()
            found = self._library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device))
            _check("nvmlDeviceGetHandleByIndex_v2", found)
            asked = self._library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory))
            _check("nvmlDeviceGetMemoryInfo", asked)
            yield seen(families.GPU_USED, memory.used, str(index))
            yield seen(families.GPU_TOTAL, memory.total, str(index))


def _check(function: str, code: int) -> None:
    if code != _OK:
        raise _Failed(f"{function} answered {code}")
