"""How much memory there is, by files that look like the kernel's and a driver that answers as NVIDIA's does."""

import ctypes
from pathlib import Path
from typing import Any

import pytest

from app.core.machine import Memory, gpu_bytes, memory, ram_bytes


class Driver:
    """NVML as far as it is asked. A GPU that is None does not answer."""

    def __init__(self, *totals: int | None, starts: bool = True) -> None:
        self._totals = totals
        self._starts = starts
        self.ended = 0

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return 0 if self._starts else 9

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.ended += 1
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self._totals)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, device: Any) -> int:  # noqa: N802
        device._obj.value = index + 1
        return 0 if self._totals[index] is not None else 15

    def nvmlDeviceGetMemoryInfo(self, device: Any, found: Any) -> int:  # noqa: N802
        total = self._totals[device.value - 1] or 0
        found._obj.total, found._obj.free, found._obj.used = total, total // 2, total - total // 2
        return 0


@pytest.mark.parametrize(
    ("file", "text", "limited"),
    [
        ("memory.max", "1048576\n", True),
        ("memory.max", "max\n", False),
        ("memory/memory.limit_in_bytes", "1048576", True),
        ("memory/memory.limit_in_bytes", "9223372036854771712", False),
    ],
)
def test_a_container_has_less(tmp_path: Path, file: str, text: str, limited: bool) -> None:
    whole = ram_bytes(tmp_path)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert ram_bytes(tmp_path) == (1048576 if limited else whole)


def test_gpus_are_asked_by_their_driver() -> None:
    driver = Driver(24_000_000_000, None, 16_000_000_000)
    assert gpu_bytes(lambda _: driver) == [(24_000_000_000, 12_000_000_000), (16_000_000_000, 8_000_000_000)]
    assert driver.ended == 1
    assert gpu_bytes(lambda _: Driver(1, starts=False)) == []


def test_without_a_driver_there_is_no_gpu() -> None:
    assert gpu_bytes(lambda _: ctypes.CDLL("libnone.so")) == []
    assert Memory(1, (2, 3)).gpu == 5
    assert memory().ram > 0
