"""Start a server, wait until it answers, read what its process tree has used, stop it again."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Running:
    """A server that this process started. `started_in`: seconds from start to its first good answer."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, started_in: float) -> None:
        self.port = port
        self.started_in = started_in
        self._process = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree, ended children included. Ticks of 10 ms on Linux."""
        return sum(_cpu(each) for each in self._tree()) + _ended_children(self._process)

    def rss_megabytes(self) -> float:
        return sum(each.memory_info().rss for each in self._tree()) / 2**20

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _ended_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0))


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    *,
    ready: str = "/v1/models",
    headers: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    patience: float = 90.0,
) -> Iterator[Running]:
    """Run `command` until the block ends. Ready is when GET `ready` answers 200."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(environment) if environment else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}{ready}", headers or {}, began + patience)
        yield Running(process, port, time.perf_counter() - began)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait(process: "subprocess.Popen[bytes]", url: str, headers: Mapping[str, str], until: float) -> None:
    request = urllib.request.Request(url, headers=dict(headers))
    while True:
        if process.poll() is not None:
            _, errors = process.communicate()
            sys.exit(f"{process.args!r} ended at once:\n{errors.decode(errors='replace')[-2000:]}")
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            if time.perf_counter() > until:
                raise
            time.sleep(0.005)
