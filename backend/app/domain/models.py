"""What a model is and can do, as data."""

from typing import Any, Literal

import msgspec

from app.domain.prices import Price

Capability = Literal[
    "chat", "completion", "embedding", "tools", "vision", "audio", "json_schema", "reasoning", "rerank"
]


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model as one provider has it. `context_window` in tokens, `size_bytes` on disk.

    `loaded`: None where the idea does not apply (a cloud model). `loading`: on its way into memory. `created`:
    Unix seconds. `aliases`: other names that the provider itself takes for it. `serving`: False while the provider
    knows that it can't run it. `slots`: answers that it writes at the same time, where those are few. `price`:
    what the provider itself says.
    """

    id: str
    provider: str
    capabilities: frozenset[Capability] = frozenset({"chat"})
    context_window: int | None = None
    slots: int | None = None
    price: Price | None = None
    max_output_tokens: int | None = None
    size_bytes: int | None = None
    format: str | None = None
    quantization: str | None = None
    family: str | None = None
    loaded: bool | None = None
    loading: bool = False
    license: str | None = None
    serving: bool = True
    created: int = 0
    owned_by: str | None = None
    description: str | None = None
    aliases: tuple[str, ...] = ()
    details: dict[str, Any] = {}


class ModelsChanged(msgspec.Struct, frozen=True):
    """A provider's list of models, or what is known of one, is not what it was."""

    provider: str


class ModelLoaded(msgspec.Struct, frozen=True, kw_only=True):
    """A model is in memory now. `seconds`: how long that took; None where it was found there.

    One that is in memory twice, to write and to embed, comes and goes twice.
    """

    integration: str
    model: str
    seconds: float | None = None


class ModelUnloaded(msgspec.Struct, frozen=True, kw_only=True):
    """A model has left memory. `seconds`: how long it was there; None where nobody saw it come."""

    integration: str
    model: str
    seconds: float | None = None


class ModelLoadFailed(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds`: how long it was tried. A load that was given up is no failure."""

    integration: str
    model: str
    seconds: float


class Resident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model in memory, or on its way in or out. Times are Unix seconds.

    `mode`: what it is there for, where that is told. `since`: when it came, or began to. `users`: answers under
    way. `memory_bytes`: an estimate, or what the server says. `location`: cpu, gpu, or both. `expires`: when it
    leaves if nobody asks for it. `stage` and `fraction`: what a load is about, and how much of that is done.
    """

    model: str
    status: Literal["loading", "loaded", "leaving"]
    mode: str | None = None
    since: float | None = None
    last_used: float | None = None
    users: int | None = None
    memory_bytes: int | None = None
    location: str | None = None
    pinned: bool = False
    expires: float | None = None
    stage: str | None = None
    fraction: float | None = None


class PullProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A download under way. Byte counts are None until they are known. `details`: what is worth keeping of it."""

    model: str
    status: str
    completed_bytes: int | None = None
    total_bytes: int | None = None
    details: dict[str, Any] = {}


class FoundModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that may be pulled, as a registry lists it. `name` is what to pull. `updated`: Unix seconds."""

    name: str
    provider: str
    task: str | None = None
    formats: tuple[str, ...] = ()
    parameters: int | None = None
    context_window: int | None = None
    license: str | None = None
    gated: bool = False
    downloads: int | None = None
    likes: int | None = None
    updated: float | None = None
