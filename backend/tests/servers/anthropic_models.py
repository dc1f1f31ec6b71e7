"""The models of the Anthropic fake, one of each kind that is asked in its own way, as its list tells of them."""

import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_TYPES = ("adaptive", "between_tools", "disabled", "enabled")


@dataclass(frozen=True)
class FakeModel:
    """`sampled`: it takes temperature and the like; `instructed`: turns of the system. The list tells neither."""

    id: str
    display_name: str
    created_at: str
    line: str | None
    thinking: tuple[str, ...] = ("disabled",)
    efforts: tuple[str, ...] = ()
    sampled: bool = True
    instructed: bool = False
    structured: bool = True
    lifecycle: str = "active"
    max_input_tokens: int = 200_000
    max_tokens: int = 64_000

    @property
    def names(self) -> set[str]:
        return {self.id, re.sub(r"-20\d{6}$", "", self.id)}

    @property
    def thinks(self) -> bool:
        return bool({"adaptive", "enabled"} & set(self.thinking))

    def record(self) -> Json:
        return {
            "type": "model",
            "id": self.id,
            "display_name": self.display_name,
            "created_at": self.created_at,
            "max_input_tokens": self.max_input_tokens,
            "max_tokens": self.max_tokens,
            "capabilities": {
                "batch": _support(True),
                "citations": _support(True),
                "code_execution": _support(True),
                "context_management": {"supported": True, "clear_thinking_20251015": _support(True)},
                "effort": {
                    "supported": bool(self.efforts),
                    **{level: _support(level in self.efforts) for level in _ALL_EFFORTS},
                },
                "image_input": _support(True),
                "pdf_input": _support(True),
                "server_tools": {
                    "supported": True,
                    "code_execution": _support(True),
                    "web_search": _support(True),
                },
                "structured_outputs": _support(self.structured),
                "thinking": {
                    "supported": self.thinks,
                    "types": {kind: _support(kind in self.thinking) for kind in _TYPES},
                },
            },
            "lifecycle": self.lifecycle,
            "line": self.line,
            "deprecated_at": None if self.lifecycle == "active" else "2026-06-01T00:00:00Z",
            "retires_at": None,
        }


def _support(supported: bool) -> Json:
    return {"supported": supported}


OPUS = FakeModel(
    "claude-opus-5-5",
    "Claude Opus 5.5",
    "2026-10-01T00:00:00Z",
    "opus",
    thinking=("adaptive", "disabled", "between_tools"),
    efforts=_ALL_EFFORTS,
    sampled=False,
    instructed=True,
    max_input_tokens=1_000_000,
    max_tokens=128_000,
)
FABLE = FakeModel(
    "claude-fable-5",
    "Claude Fable 5",
    "2026-06-01T00:00:00Z",
    "fable",
    thinking=("adaptive",),
    efforts=_ALL_EFFORTS,
    sampled=False,
    max_tokens=16_000,
)
PREVIEW = FakeModel(
    "claude-mythos-preview",
    "Claude Mythos Preview",
    "2026-04-07T00:00:00Z",
    "mythos",
    thinking=("adaptive", "enabled"),
    efforts=("low", "medium", "high", "max"),
    sampled=False,
)
SONNET = FakeModel(
    "claude-sonnet-4-6",
    "Claude Sonnet 4.6",
    "2026-02-17T00:00:00Z",
    "sonnet",
    thinking=("adaptive", "enabled", "disabled"),
    efforts=("low", "medium", "high", "max"),
)
HAIKU = FakeModel(
    "claude-haiku-4-5-20251001",
    "Claude Haiku 4.5",
    "2025-10-15T00:00:00Z",
    "haiku",
    thinking=("enabled", "disabled"),
)
OLD = FakeModel(
    "claude-3-5-haiku-20241022",
    "Claude Haiku 3.5",
    "2024-10-22T00:00:00Z",
    "haiku",
    structured=False,
    lifecycle="deprecated",
    max_tokens=8192,
)
RETIRED = FakeModel(
    "claude-2.1",
    "Claude 2.1",
    "2023-11-21T00:00:00Z",
    None,
    structured=False,
    lifecycle="retired",
    max_tokens=4096,
)
MODELS = (OPUS, FABLE, PREVIEW, SONNET, HAIKU, OLD, RETIRED)
