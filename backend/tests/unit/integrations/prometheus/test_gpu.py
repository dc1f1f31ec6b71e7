"""NVML, played by an object with its functions."""

import asyncio
import threading
from typing import Any

import pytest

from app.integrations.monitoring.prometheus import gpu
from app.integrations.monitoring.prometheus.gpu import Gpus
from app.integrations.monitoring.prometheus.sight import Seen
from tests.servers.nvml import Nvml

USED, TOTAL = "llm_gpu_memory_usage_bytes", "llm_gpu_memory_total_bytes"
FIRST = [Seen(USED, ("0",), 38_000), Seen(TOTAL, ("0",), 80_000)]
SECOND = [Seen(USED, ("1",), 76_000), Seen(TOTAL, ("1",), 80_000)]


async def test_the_memory_of_each() -> None:
    library = Nvml()
    gpus = Gpus(lambda name: library)
    assert await gpus.look() == await gpus.look() == FIRST + SECOND
    gpus.close()
    assert (library.shut, await gpus.look()) == (1, [])


async def test_without_the_library_there_are_none_and_it_is_asked_for_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = []

    def load(name: str) -> Any:
        asked.append(name)
        raise OSError(f"{name}: cannot open shared object file")

    gpus = Gpus(load)
    looks = [await gpus.look(), await gpus.look()]
    assert (looks, asked, caplog.text) == ([[], []], ["libnvidia-ml.so.1"], "")


@pytest.mark.parametrize("function", ["nvmlInit_v2", "nvmlDeviceGetCount_v2", "nvmlDeviceGetMemoryInfo"])
async def test_what_can_t_be_asked_is_told_once_and_asked_again(
    function: str, caplog: pytest.LogCaptureFixture
) -> None:
    library = Nvml(function)
    gpus = Gpus(lambda name: library)
    assert (await gpus.look(), await gpus.look()) == ([], [])
    assert len(caplog.records) == len(set(caplog.messages)) > 0
    assert all(function in message for message in caplog.messages)
    library.failing = ""
    assert await gpus.look() == FIRST + SECOND


async def test_one_that_is_lost_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    library = Nvml()
    library.lost = 1
    assert await Gpus(lambda name: library).look() == SECOND
    assert "for GPU 0" in caplog.text


async def test_a_driver_that_hangs_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gpu, "ANSWER_SECONDS", 0.01)
    hanging, library, asked = threading.Event(), Nvml(), []

    def load(name: str) -> Any:
        asked.append(name)
        hanging.wait()
        return library

    gpus = Gpus(load)
    looks = [await gpus.look() for _ in range(3)]
    assert looks == [[], [], []]
    assert (len(asked), len(caplog.records)) == (1, 1)
    monkeypatch.setattr(gpu, "ANSWER_SECONDS", 10.0)
    hanging.set()
    assert await gpus.look() == FIRST + SECOND


async def test_the_end_does_not_wait_for_it() -> None:
    hanging, library = threading.Event(), Nvml()
    gpus = Gpus(lambda name: library)
    await gpus.look()
    library.hold = hanging
    looking = asyncio.create_task(gpus.look())
    await asyncio.sleep(0)
    gpus.close()
    assert library.shut == 0
    hanging.set()
    await looking
