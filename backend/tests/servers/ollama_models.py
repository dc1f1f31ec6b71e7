"""What the Ollama fake has on its disk and in its memory, and how it names it."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

DEFAULT_CONTEXT = 4096
_FOREVER = timedelta(days=36_500)


@dataclass
class FakeModel:
    name: str
    capabilities: tuple[str, ...] | None = ("completion", "tools")
    architecture: str = "llama"
    context_length: int = 1024
    parameters: str = ""
    quantization: str = "Q8_0"
    remote_host: str = ""
    size: int = 1_010_000
    shown: bool = True

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.name}{self.parameters}{self.capabilities}".encode()).hexdigest()

    @property
    def details(self) -> Json:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.architecture,
            "families": [self.architecture],
            "parameter_size": "0.92M",
            "quantization_level": self.quantization,
        }

    def listed(self) -> Json:
        remote = {"remote_host": self.remote_host, "remote_model": self.name} if self.remote_host else {}
        return {
            "name": self.name,
            "model": self.name,
            **remote,
            "modified_at": "2025-11-02T10:11:12.123456789+01:00",
            "size": self.size,
            "digest": self.digest,
            "details": self.details,
        }

    def described(self) -> Json:
        told = {} if self.capabilities is None else {"capabilities": list(self.capabilities)}
        return {
            "modelfile": f"FROM {self.name}",
            "parameters": self.parameters,
            "template": "{{ .Prompt }}",
            "details": self.details,
            "model_info": {
                "general.architecture": self.architecture,
                "general.parameter_count": 920_000,
                f"{self.architecture}.context_length": self.context_length,
                f"{self.architecture}.embedding_length": 128,
            },
            **told,
            "modified_at": "2025-11-02T10:11:12.123456789+01:00",
        }


@dataclass
class Loaded:
    model: FakeModel
    num_ctx: int
    shift: bool
    expires_at: datetime

    def listed(self) -> Json:
        return {
            "name": self.model.name,
            "model": self.model.name,
            "size": self.model.size,
            "digest": self.model.digest,
            "details": self.model.details,
            "expires_at": self.expires_at.isoformat(),
            "size_vram": 0,
            "context_length": self.num_ctx,
        }


class Memory:
    """The models in memory. `loads` counts: a change of num_ctx or shift makes Ollama load a model anew."""

    def __init__(self) -> None:
        self.loads = 0
        self._loaded: dict[str, Loaded] = {}

    def now(self) -> list[Loaded]:
        return [each for each in self._loaded.values() if each.expires_at > datetime.now(UTC)]

    def load(self, model: FakeModel, body: Json) -> Loaded:
        num_ctx = min((body.get("options") or {}).get("num_ctx", DEFAULT_CONTEXT), model.context_length)
        shift = body.get("shift") is not False
        asked = seconds(body)
        lives = timedelta(seconds=300 if asked is None else asked)
        until = datetime.now(UTC) + (lives if lives >= timedelta() else _FOREVER)
        known = next((each for each in self.now() if each.model is model), None)
        if known is None or (known.num_ctx, known.shift) != (num_ctx, shift):
            self.loads += 1
        self._loaded[model.name] = Loaded(model, num_ctx, shift, until)
        return self._loaded[model.name]

    def unload(self, model: FakeModel) -> None:
        self._loaded.pop(model.name, None)


def seconds(body: Json) -> float | None:
    """keep_alive: a number of seconds, or a Go duration of one unit."""
    value = body.get("keep_alive")
    if isinstance(value, str):
        return float(value[:-1]) * {"s": 1, "m": 60, "h": 3600}[value[-1]]
    return None if value is None else float(value)


def full_name(name: str) -> str:
    """Ollama compares names without regard to case and takes `latest` where no tag is given."""
    return (name if ":" in name.rpartition("/")[2] else f"{name}:latest").lower()


def now() -> str:
    """As Go prints a time: nanoseconds and a Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"
