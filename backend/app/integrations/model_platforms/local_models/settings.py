"""What an operator can set for the models of one's own."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.integrations.model_platforms.local_models.schedule import Prewarm

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])i?B?", re.IGNORECASE)
_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}


def _bytes(told: Any) -> Any:
    found = _SIZE.fullmatch(told) if isinstance(told, str) else None
    return int(float(found[1]) * (1 << _UNITS[found[2].upper()])) if found else told


class CustomModelsSettings(BaseModel):
    """`directory`: a folder of models: GGUF files, and checkpoints of Hugging Face's, which are converted into
    `data_dir`. It is looked at every `watch_seconds`; 0 looks at it with each health check alone. `demo`: offer
    the bundled demo model too.

    `context_size`: tokens that one request and its answer may take together; by default what the model was made
    for, at most 4096. `slots`: answers that one model writes at the same time; each has its own context, so memory
    grows with both. `threads`: for computing; by default the cores at hand, at most 8, and one for a small model.
    `gpu_layers`: -1 puts as many layers on a GPU as fit, where the installed runtime has one.

    `idle_unload_seconds`: a model that nobody used for so long leaves memory; 0 keeps it. `max_loaded`: models in
    memory at the same time (one that both chats and embeds counts twice). `memory_budget`: what they may take
    together, as estimated; bytes, or such as "24GiB"; by default 80 % of what there is. The longest unused makes
    room; a model waits for that for `room_wait_seconds`. `pinned`: models that stay, loaded at the start.
    `preload`: names of models to load at the start, or ["*"] for all. `prewarm`: models to load at times of day.
    """

    model_config = ConfigDict(extra="forbid")

    directory: Path | None = None
    data_dir: Path | None = None
    watch_seconds: float = Field(default=5.0, ge=0.0)
    demo: bool = True
    context_size: int = Field(default=4096, ge=64, le=16_777_216)
    slots: int = Field(default=4, ge=1, le=256)
    threads: int | None = Field(default=None, ge=1, le=512)
    gpu_layers: int = Field(default=-1, ge=-1)
    idle_unload_seconds: float = Field(default=900.0, ge=0.0)
    max_loaded: int = Field(default=4, ge=1)
    memory_budget: Annotated[int | None, BeforeValidator(_bytes)] = Field(default=None, ge=1)
    room_wait_seconds: float = Field(default=30.0, ge=0.0)
    pinned: list[str] = []
    preload: list[str] = []
    prewarm: list[Prewarm] = []
