"""What an operator can set for the models of one's own."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class CustomModelsSettings(BaseModel):
    """`directory`: a folder of .gguf files, read without its subfolders. `demo`: offer the bundled demo model too.

    `context_size`: tokens that one request and its answer may take together; by default what the model was made
    for, at most 4096. `slots`: answers that one model writes at the same time; each has its own context, so memory
    grows with both. `threads`: for computing; by default the cores at hand, at most 8, and one for a small model.
    `gpu_layers`: -1 puts as many layers on a GPU as fit, where the installed runtime has one.

    `idle_unload_seconds`: a model that nobody used for so long leaves memory; 0 keeps it. `max_loaded`: models in
    memory at the same time (one that both chats and embeds counts twice); the longest unused makes room.
    `preload`: names of models to load at the start, or ["*"] for all.
    """

    model_config = ConfigDict(extra="forbid")

    directory: Path | None = None
    demo: bool = True
    context_size: int = Field(default=4096, ge=64, le=16_777_216)
    slots: int = Field(default=4, ge=1, le=256)
    threads: int | None = Field(default=None, ge=1, le=512)
    gpu_layers: int = Field(default=-1, ge=-1)
    idle_unload_seconds: float = Field(default=900.0, ge=0.0)
    max_loaded: int = Field(default=4, ge=1)
    preload: list[str] = []
