"""NVML, played by an object with its functions: two GPUs, the second nearly full."""

import ctypes
import threading
from typing import Any


class Nvml:
    """Writes into what it is handed, as the library does. `failing`: the function that answers 15, GPU is lost.
    `lost`: the handle of the GPU that is. `hold`: what whoever asks how many there are has to wait for.
    """

    def __init__(self, failing: str = "") -> None:
        self.shut = 0
        self.failing = failing
        self.lost = 0
        self.hold: threading.Event | None = None

    def __getattr__(self, function: str) -> Any:
        return lambda *arguments: 15 if function == self.failing else getattr(self, f"_{function}")(*arguments)

    def _nvmlInit_v2(self) -> int:  # noqa: N802 - NVML's name
        return 0

    def _nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        if self.hold is not None:
            self.hold.wait()
        count._obj.value = 2
        return 0

    def _nvmlDeviceGetHandleByIndex_v2(self, index: int, device: Any) -> int:  # noqa: N802
        device._obj.value = index + 1
        return 0

    def _nvmlDeviceGetMemoryInfo(self, device: ctypes.c_void_p, memory: Any) -> int:  # noqa: N802
        if device.value == self.lost:
            return 15
        memory._obj.total, memory._obj.used = 80_000, 38_000 * (device.value or 0)
        return 0

    def _nvmlShutdown(self) -> int:  # noqa: N802
        self.shut += 1
        return 0
