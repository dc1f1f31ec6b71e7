"""NVML, played by an object with its functions."""

import ctypes
from typing import Any

import pytest

from app.integrations.monitoring.prometheus.gpu import Gpus
from app.integrations.monitoring.prometheus.sight import Seen


class Nvml:
    """Writes into what it is handed, as the library does. `failing`: the function that answers 15, GPU is lost."""

    def __init__(self, failing: str = "") -> None:
        self.shut = 0
        self._failing = failing

    def __getattr__(self, function: str) -> Any:
        return lambda *arguments: 15 if function == self._failing else getattr(self, f"_{function}")(*arguments)

    def _nvmlInit_v2(self) -> int:  # noqa: N802 - NVML's name
        return 0

    def _nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def _nvmlDeviceGetHandleByIndex_v2(self, index: int, device: Any) -> int:  # noqa: N802
        device._obj.value = index + 1
        return 0

    def _nvmlDeviceGetMemoryInfo(self, device: ctypes.c_void_p, memory: Any) -> int:  # noqa: N802
        memory._obj.total, memory._obj.used = 80_000, 1_000 * (device.value or 0)
        return 0

    def _nvmlShutdown(self) -> int:  # noqa: N802
        self.shut += 1
        return 0


def test_the_memory_of_each() -> None:
    library = Nvml()
    gpus = Gpus(lambda name: library)
    used, total = "llm_gpu_memory_usage_bytes", "llm_gpu_memory_total_bytes"
    wanted = [(used, "0", 1_000), (total, "0", 80_000), (used, "1", 2_000), (total, "1", 80_000)]
    assert gpus.look() == gpus.look() == [Seen(name, (index,), value) for name, index, value in wanted]
    gpus.close()
    assert (library.shut, gpus.look()) == (1, [])


def test_without_the_library_there_are_none_and_it_is_asked_for_once(caplog: pytest.LogCaptureFixture) -> None:
    asked = []

    def load(name: str) -> Any:
        asked.append(name)
        raise OSError(f"{name}: cannot open shared object file")

    gpus = Gpus(load)
    assert (gpus.look(), gpus.look(), asked, caplog.text) == ([], [], ["libnvidia-ml.so.1"], "")


@pytest.mark.parametrize("function", ["nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlDeviceGetMemoryInfo"])
def test_what_can_t_be_asked_is_told_once(function: str, caplog: pytest.LogCaptureFixture) -> None:
    gpus = Gpus(lambda name: Nvml(function))
    assert (gpus.look(), gpus.look()) == ([], [])
    assert caplog.text.count(function) == 1
