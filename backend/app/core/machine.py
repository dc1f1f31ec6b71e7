"""How much memory this machine has: its own, as far as the container may use it, and that of its NVIDIA GPUs.

GPUs are asked by NVML, the library of their driver; where there is none there is no GPU. Nothing is kept, since
what is free changes.
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_NVML = "libnvidia-ml.so.1"


class Memory(msgspec.Struct, frozen=True):
    """In bytes. `ram`: what processes here may use in all; `gpus`: of each GPU, in the driver's order."""

    ram: int
    gpus: tuple[int, ...] = ()

    @property
    def gpu(self) -> int:
        """Of all together: llama.cpp spreads a model over them."""
        return sum(self.gpus)


def memory() -> Memory:
    return Memory(ram_bytes(), tuple(total for total, _ in gpu_bytes()))


def ram_bytes(cgroup: Path = _CGROUP) -> int:
    """The machine's, or the container's limit where that is lower."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _LIMITS:
        try:
            text = (cgroup / name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            found = min(found, int(text))
    return found


class _Figures(ctypes.Structure):
    """https://docs.nvidia.com/deploy/nvml-api/structnvmlMemory__t.html"""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def gpu_bytes(load: Callable[[str], Any] = ctypes.CDLL) -> list[tuple[int, int]]:
    """Total and free memory of each GPU; none where there is no driver, or it does not answer."""
    try:
        nvml = load(_NVML)
    except OSError:
        return []
    if nvml.nvmlInit_v2() != 0:
        return []
    try:
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return []
        return [figures for index in range(count.value) if (figures := _figures(nvml, index)) is not None]
    finally:
        nvml.nvmlShutdown()


def _figures(nvml: Any, index: int) -> tuple[int, int] | None:
    device, found = ctypes.c_void_p(), _Figures()
    if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) != 0:
        return None
    if nvml.nvmlDeviceGetMemoryInfo(device, ctypes.byref(found)) != 0:
        return None
    return found.total, found.free
