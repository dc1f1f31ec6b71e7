"""What a model can do, by its record in a server's list.

Where a record does not tell, the model's name must; that is a guess and no more.
"""

import re
from collections.abc import Mapping

from app.domain.models import Capability
from app.integrations.kit.listing import Record, shows

Capabilities = frozenset[Capability]

_TEXT: Capabilities = frozenset({"chat", "completion"})
_CHAT: Capabilities = frozenset({"chat"})
_EMBEDDING: Capabilities = frozenset({"embedding"})
_AUDIO: Capabilities = frozenset({"audio"})
_NOTHING: Capabilities = frozenset()

# The first pattern that is found in the lower-case name decides.
_BY_NAME: tuple[tuple[re.Pattern[str], Capabilities], ...] = (
    (re.compile(r"rerank"), frozenset({"rerank"})),
    (re.compile(r"embed|(^|[/_-])(bge|gte|e5|minilm|mpnet|nomic|voyage)([_-]|$)|-minilm-|-mpnet-"), _EMBEDDING),
    (re.compile(r"whisper|(^|[/_-])tts([_-]|$)|transcri"), _AUDIO),
    (
        re.compile(r"dall-e|gpt-image|grok-imagine|moderation|(^|[/_-])sora([_-]|$)|stable-diffusion"),
        _NOTHING,
    ),
)

# What a record's own `type` says, where it is not text: LM Studio and Together AI have one.
_BY_TYPE: Mapping[object, Capabilities] = {
    "embeddings": _EMBEDDING,
    "embedding": _EMBEDDING,
    "rerank": frozenset({"rerank"}),
    "audio": _AUDIO,
    "transcribe": _AUDIO,
    "image": _NOTHING,
    "video": _NOTHING,
    "moderation": _NOTHING,
}

# (dotted name, its value): what a model that answers no text shows, such as one for pictures. Mistral, Fireworks.
_NO_TEXT: tuple[tuple[str, object], ...] = (
    ("capabilities.completion_chat", False),
    ("supports_chat", False),
)

# (dotted name, its value or one of its members, what that proves).
_EVIDENCE: tuple[tuple[str, object, Capability], ...] = (
    # Mistral, Cerebras
    ("capabilities.function_calling", True, "tools"),
    ("capabilities.tools", True, "tools"),
    ("capabilities.vision", True, "vision"),
    ("capabilities.audio", True, "audio"),
    ("capabilities.reasoning", True, "reasoning"),
    ("capabilities.structured_outputs", True, "json_schema"),
    # LM Studio
    ("capabilities", "tool_use", "tools"),
    ("type", "vlm", "vision"),
    # OpenRouter
    ("architecture.input_modalities", "image", "vision"),
    ("architecture.input_modalities", "audio", "audio"),
    ("supported_parameters", "tools", "tools"),
    ("supported_parameters", "structured_outputs", "json_schema"),
    ("supported_parameters", "reasoning", "reasoning"),
    # Fireworks, Moonshot AI
    ("supports_tools", True, "tools"),
    ("supports_image_input", True, "vision"),
    ("supports_image_in", True, "vision"),
    ("supports_reasoning", True, "reasoning"),
    # llama.cpp
    ("modalities.vision", True, "vision"),
    ("modalities.audio", True, "audio"),
    ("chat_template_caps.supports_tools", True, "tools"),
)


def capabilities(record: Record, facts: Record, *, completions: bool) -> Capabilities:
    """`record` has an `id`; `facts` is what the server says of itself. `completions`: it completes texts."""
    kind = _BY_TYPE.get(record.get("type"))
    if kind is None:
        kind = _by_name(str(record["id"]).lower())
    if kind is not None:
        return kind
    if any(shows((record,), path, sign) for path, sign in _NO_TEXT):
        return _NOTHING
    proven = {capability for path, sign, capability in _EVIDENCE if shows((facts, record), path, sign)}
    return (_TEXT if completions else _CHAT) | proven


def _by_name(name: str) -> Capabilities | None:
    return next((found for pattern, found in _BY_NAME if pattern.search(name)), None)
