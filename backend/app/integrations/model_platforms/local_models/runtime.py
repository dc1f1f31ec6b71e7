"""All that is known of xllamacpp (llama.cpp's own server, in this process): how to start one and how to ask it.

Every function here blocks and belongs in a thread; the library is imported at the first load and never before.
Found by trying (xllamacpp 2026.10):

- Building a Server holds the GIL until the model is in memory. Reading the file first makes that short: what is
  left is mapping pages that the system already has, and making room for the context. On an idle machine that took
  190 ms for a model of 1.4 GB, on a busy one up to ten times as long; nothing else runs in the process meanwhile.
- A Server that is let go before its loop has turned once never ends, GIL in hand: so it is asked something first.
- It listens for HTTP as well, which cannot be switched off: side_door.py tells where, who may ask, and for what.
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from app.core.integration_framework import IntegrationConfigError
from app.integrations.model_platforms.local_models.gguf_header import GgufError, GgufHeader, read_header
from app.integrations.model_platforms.local_models.side_door import SideDoor

Operation = Literal["chat", "completion"]
Mode = Literal["generation", "embedding", "ranking"]

# Called with each piece of an answer, in JSON; True ends the answer.
Callback = Callable[[bytes], bool]

# Called with what is being done, and how much of it is.
Told = Callable[[str, float], None]

_READ_BYTES = 4 << 20
# Prompt tokens worked on at once: an answer nobody waits for any more ends at the next such step.
_BATCH_TOKENS = 512


class Server(Protocol):
    """One model in memory. Methods may be called from several threads at once. Letting it go frees the model.

    They raise ValueError or RuntimeError for most bad requests, and answer {"error": …} for the rest.
    """

    def handle_chat_completions(self, request: bytes, callback: Callback) -> None: ...

    def handle_completions(self, request: bytes, callback: Callback) -> None: ...

    def handle_embeddings(self, request: bytes) -> bytes: ...

    def handle_rerank(self, request: bytes) -> bytes: ...

    def handle_metrics(self) -> str: ...

    @property
    def listening_address(self) -> str: ...


class ServerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`files`: all parts of it, the first one first. `context`: tokens per slot. `alias`: the model's public name.
    `own_pooling`: the file says how to pool. `fit_gpu`: find out what fits on the GPU that there is.
    """

    files: tuple[Path, ...]
    alias: str
    mode: Mode
    context: int
    slots: int
    threads: int
    gpu_layers: int
    fit_gpu: bool = False
    own_pooling: bool = False


class LoadFailed(Exception):
    """llama.cpp refuses the file, or there is no memory for it."""


def require() -> None:
    """Raises IntegrationConfigError, with the way out, where the runtime is not installed. Imports nothing."""
    if find_spec("xllamacpp") is None:
        raise IntegrationConfigError(
            "the runtime for local models is not installed: pip install xllamacpp, or switch custom_models off"
        )


def mode_of(header: GgufHeader) -> Mode:
    """What a file was made for."""
    if not header.pooling:
        return "generation"
    return "ranking" if header.ranks else "embedding"


def gpu_memory() -> int:
    """Bytes of all GPUs that the installed runtime can use; 0 where there is none."""
    import xllamacpp

    gpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_GPU
    return sum(int(device["memory_total"]) for device in xllamacpp.get_device_info() if device["type"] == gpu)


def open_server(spec: ServerSpec, told: Told = lambda stage, fraction: None) -> tuple[Server, SideDoor]:
    """Load a model, after a second look at the files, which may have changed. What `told` raises ends it.

    The door is the caller's to close. Raises LoadFailed, OSError.
    """
    import xllamacpp

    try:
        for path in spec.files:
            read_header(path)
    except GgufError as error:
        raise LoadFailed(str(error)) from error
    _read_through(spec.files, told)
    told("starting", 0.0)
    door = SideDoor()
    try:
        server: Server = xllamacpp.Server(_params(xllamacpp, spec, door))
    except BaseException as error:
        door.close()
        if isinstance(error, (RuntimeError, ValueError, MemoryError)):
            raise LoadFailed("llama.cpp cannot run it: an unknown architecture, or too little memory") from error
        raise
    server.handle_metrics()
    door.port = urlsplit(server.listening_address).port or 0
    return server, door


def _read_through(files: tuple[Path, ...], told: Told) -> None:
    """Bring the files into the system's cache, so that mapping them is quick."""
    total = max(1, sum(path.stat().st_size for path in files))
    room = bytearray(min(_READ_BYTES, total))
    done = 0
    for path in files:
        with path.open("rb", buffering=0) as file:
            while read := file.readinto(room):
                done += read
                told("reading", min(1.0, done / total))


def _params(library: ModuleType, spec: ServerSpec, door: SideDoor) -> object:
    params = library.CommonParams()
    params.model.path = os.fspath(spec.files[0])
    params.model_alias = {spec.alias}
    params.verbosity = -1
    params.warmup = False
    params.n_parallel = spec.slots
    params.n_ctx = spec.context * spec.slots
    params.n_batch = params.n_ubatch = min(spec.context, _BATCH_TOKENS)
    params.n_gpu_layers = spec.gpu_layers
    # It looks for what fits on a GPU, and takes as long as the loading itself.
    params.fit_params = spec.fit_gpu
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = spec.threads
    # Nothing is cut off in silence: what does not fit is refused, and a full context ends the answer.
    params.ctx_shift = False
    # By default up to 8 GiB of old prompts are kept beside the slots.
    params.cache_ram_mib = 0
    # Never fetch anything, whatever the file says.
    params.offline = True
    params.n_threads_http = 1
    params.endpoint_metrics = True
    params.endpoint_slots = False
    params.ui = False
    params.api_keys = [door.key]
    if door.socket_path is not None:
        params.hostnames = [door.socket_path]
    if spec.mode != "generation":
        params.embedding = True
        # A text is pooled within one step of work. With a cache per slot, texts of unlike length that share a step
        # are cut up, and their vectors come out wrong.
        params.n_batch = params.n_ubatch = spec.context
        params.kv_unified = True
        if spec.mode == "ranking":
            params.pooling_type = library.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
        elif not spec.own_pooling:
            params.pooling_type = library.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return params
