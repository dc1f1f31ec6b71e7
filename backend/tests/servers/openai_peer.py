"""A real OpenAI-compatible server with real inference: llama.cpp's own, over HTTP, with the demo model.

It runs in a process of its own, so that it can be killed: `python openai_peer.py PORT API_KEY CHAT|EMBED`.
"""

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEMO_MODEL = (
    Path(__file__).parents[2] / "app/integrations/model_platforms/local_models/demo" / "platform-demo.gguf"
)
START_SECONDS = 30.0


@dataclass(frozen=True)
class OpenAIPeer:
    """`model` is the name that it lists. `process.kill()` makes it vanish."""

    url: str
    api_key: str
    model: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def running_peer(
    api_key: str = "peer-key", *, model: Path = DEMO_MODEL, embeddings: bool = False, port: int | None = None
) -> Iterator[OpenAIPeer]:
    """Returns when it answers /health. Four requests are served at a time. `port`: a free one by default."""
    port = port or _free_port()
    command = [sys.executable, __file__, str(port), api_key, "embed" if embeddings else "chat", str(model)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_health(url, process)
        yield OpenAIPeer(url, api_key, model.stem, process)
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_health(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the peer ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:  # noqa: S310
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise RuntimeError(f"the peer did not answer /health within {START_SECONDS:g} s")


def _serve(port: int, api_key: str, mode: str, model: Path) -> None:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {model.stem}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.api_keys = [api_key]
    parameters.n_ctx = 4096
    parameters.n_parallel = 4
    parameters.cpuparams.n_threads = 1
    parameters.warmup = False
    parameters.verbosity = -1
    if mode == "embed":
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    del server


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
