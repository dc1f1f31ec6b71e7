"""Start a server, wait until it answers, read what its process tree has used, stop it again."""

import contextlib
import http.client
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
import psutil

ROOT = Path(__file__).parents[1]
_POLL_SECONDS = 0.01
_LOOK_SECONDS = 0.5
_MOST_LOOKS = 20
_IDLE_SHARE = 0.05
_PORTS = range(20_000, 30_000)
_PORT_ATTEMPTS = 20
_NAMES_ERROR = re.compile(r"(\w+\.)*\w*(Error|Exception|error)\b")
_TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server on 127.0.0.1 takes chat completions, for which model name and with which headers."""

    port: int
    model: str = "bench"
    path: str = "/v1/chat/completions"
    headers: Mapping[str, str] = {}


class NotStarted(Exception):
    """The server did not come up. The text says why, in one line."""


def free_port() -> int:
    """Below the ports that systems give to connections: a server may take seconds to start, and must find it free.

    Raises OSError after many attempts.
    """
    for _ in range(_PORT_ATTEMPTS - 1):
        with contextlib.suppress(OSError):
            return _taken_once(secrets.choice(_PORTS))
    return _taken_once(secrets.choice(_PORTS))


def _taken_once(port: int) -> int:
    with socket.create_server(("127.0.0.1", port)):
        return port


class Running:
    """A server that this process started. `started_in`: seconds from start to its first good answer. `afterwards`:
    for how many it still works on what it has answered.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", address: Address, started_in: float) -> None:
        self.address = address
        self.started_in = started_in
        self.afterwards = 0.0
        self._process = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree. Raises psutil.NoSuchProcess when it is gone."""
        return sum(_cpu_seconds(each) for each in self._tree())

    def rss_megabytes(self) -> float:
        return float(sum(each.memory_info().rss for each in self._tree()) / 2**20)

    def settle(self) -> None:
        """Wait, for a while, until it is idle: it still loads things after its first answer."""
        for _ in range(_MOST_LOOKS):
            before = self.cpu_seconds()
            time.sleep(_LOOK_SECONDS)
            if self.cpu_seconds() - before < _IDLE_SHARE * _LOOK_SECONDS:
                return

    def forget_peak(self) -> None:
        """Let `peak_megabytes` count from now on."""
        for each in self._tree():
            with contextlib.suppress(OSError):
                Path(f"/proc/{each.pid}/clear_refs").write_text("5")

    def peak_megabytes(self) -> float:
        """The sum of each process's highest resident size; where the system keeps none, the present size."""
        return sum(_peak_megabytes(each) for each in self._tree())

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def _cpu_seconds(process: psutil.Process) -> float:
    if sys.platform == "linux":
        # The clock of another process, as clock_getcpuclockid(3) makes it: nanoseconds, where times() has 10 ms.
        with contextlib.suppress(OSError):
            return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


def _peak_megabytes(process: psutil.Process) -> float:
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text("utf-8"))
    except OSError:
        found = None
    return int(found[1]) / 2**10 if found else float(process.memory_info().rss / 2**20)


@contextmanager
def running(
    command: Sequence[str],
    address: Address,
    ready: urllib.request.Request,
    *,
    environment: Mapping[str, str] | None = None,
    patience: float = 90.0,
) -> Iterator[Running]:
    """Run `command` until the block ends. Raises NotStarted when `ready` gets no 200 within `patience` seconds."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(environment) if environment else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise NotStarted(str(error)) from error
        try:
            _wait(process, ready, began + patience, log)
            yield Running(process, address, time.perf_counter() - began)
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", ready: urllib.request.Request, until: float, log: IO[bytes]) -> None:
    while True:
        if process.poll() is not None:
            raise NotStarted(f"ended with status {process.returncode}: {_last_words(log)}")
        try:
            with urllib.request.urlopen(ready, timeout=10):
                return
        except (OSError, http.client.HTTPException) as error:
            if time.perf_counter() > until:
                raise NotStarted(f"no good answer in time ({error}): {_last_words(log)}") from error
            time.sleep(_POLL_SECONDS)


def _last_words(log: IO[bytes]) -> str:
    log.seek(0)
    text = _TERMINAL_COLOURS.sub("", log.read().decode(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if _NAMES_ERROR.match(line)]
    return (named or lines or ["it wrote nothing"])[-1][:300]
