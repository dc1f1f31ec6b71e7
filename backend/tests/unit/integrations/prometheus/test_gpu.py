"""NVML, played by an object with its functions."""

from typing import Any

import pytest

from app.integrations.monitoring.prometheus.gpu import Gpus
from app.integrations.monitoring.prometheus.sight import Seen
from tests.servers.nvml import Nvml


def test_the_memory_of_each() -> None:
    library = Nvml()
    gpus = Gpus(lambda name: library)
    used, total = "llm_gpu_memory_usage_bytes", "llm_gpu_memory_total_bytes"
    wanted = [(used, "0", 38_000), (total, "0", 80_000), (used, "1", 76_000), (total, "1", 80_000)]
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
