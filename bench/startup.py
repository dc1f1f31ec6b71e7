"""How long it takes to be there: the import, the first answer of a fresh process, and what it holds while idle."""

import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import msgspec

from bench.gateways import SERVE, clean_environment, first_answer
from bench.processes import ROOT, Address, free_port, running


class Startup(msgspec.Struct, frozen=True, kw_only=True):
    """Medians. Seconds and megabytes."""

    import_seconds: float
    first_answer_seconds: float
    idle_megabytes: float


def measure(runs: int) -> Startup:
    """The platform as `make run` starts it, with the demo model, asked for one chat completion."""
    imports = [_timed("import app.main") - _timed("pass") for _ in range(runs)]
    starts = [_start() for _ in range(runs)]
    return Startup(
        import_seconds=statistics.median(imports),
        first_answer_seconds=statistics.median(seconds for seconds, _ in starts),
        idle_megabytes=statistics.median(megabytes for _, megabytes in starts),
    )


def _timed(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "backend", check=True)
    return time.perf_counter() - began


def _start() -> tuple[float, float]:
    """Seconds until a whole answer of the demo model, and the resident size before it was asked."""
    address = Address(port=free_port(), model="demo")
    ready = urllib.request.Request(f"http://127.0.0.1:{address.port}/v1/health/ready")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**clean_environment(), "HOME": folder}
        command = [*SERVE, "--port", str(address.port)]
        with running(command, address, ready, environment=environment) as gateway:
            idle = gateway.rss_megabytes()
            with urllib.request.urlopen(first_answer(address), timeout=30) as answer:
                answer.read()
            return time.perf_counter() - began, idle
