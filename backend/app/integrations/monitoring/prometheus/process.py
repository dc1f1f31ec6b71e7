"""What this process takes of the machine. Memory is known on Linux alone."""

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from app.integrations.monitoring.prometheus import families
from app.integrations.monitoring.prometheus.sight import Seen, seen

_PROC = Path("/proc/self")
_BEGAN = time.time()
"""About when the process began: this is loaded soon after."""


class CpuPercent:
    """CPU used since the last look. Two looks in short order tell the same."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._used = time.process_time()
        self._percent = 0.0

    def look(self) -> float:
        now, used = time.monotonic(), time.process_time()
        if now - self._at >= 1.0 or not self._percent:
            self._percent = 100 * (used - self._used) / max(now - self._at, 1e-6)
            self._at, self._used = now, used
        return self._percent


def of_the_machine(cpu: CpuPercent) -> Iterator[Seen]:
    yield seen(families.CPU_PERCENT, cpu.look())
    yield seen(families.STARTED, _BEGAN)
    yield seen(families.MAX_FDS, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    try:
        virtual, resident, *_ = (_PROC / "statm").read_text().split()
        files = len(os.listdir(_PROC / "fd"))
    except OSError:
        return
    size = resource.getpagesize()
    yield seen(families.VIRTUAL, int(virtual) * size)
    yield seen(families.RESIDENT, int(resident) * size)
    yield seen(families.OPEN_FDS, files)
