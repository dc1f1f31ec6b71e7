"""What a server says of its models, read into ModelInfo. The vendors agree on `id` and on little else.

Where a record does not tell what a model can do, its name must; that is a guess and no more.
"""

import re
from collections.abc import Mapping

from app.core.http import Transport, get_json
from app.domain.errors import NotFound, UpstreamAuthFailed, UpstreamError
from app.domain.models import Capability, ModelInfo
from app.integrations.kit.listing import Record, number, price, records, shows, text
from app.integrations.kit.probe import Models
from app.integrations.model_platforms.openai_compatible.vendor import Vendor

Capabilities = frozenset[Capability]

_TEXT: Capabilities = frozenset({"chat", "completion"})
_CHAT: Capabilities = frozenset({"chat"})

# The first pattern that is found in the lower-case name decides.
_BY_NAME: tuple[tuple[re.Pattern[str], Capabilities], ...] = (
    (re.compile(r"rerank"), frozenset({"rerank"})),
    (
        re.compile(r"embed|(^|[/_-])(bge|gte|e5|minilm|mpnet|nomic|voyage)([_-]|$)|-minilm-|-mpnet-"),
        frozenset({"embedding"}),
    ),
    (re.compile(r"whisper|(^|[/_-])tts([_-]|$)|transcri"), frozenset({"audio"})),
    (re.compile(r"dall-e|gpt-image|moderation|(^|[/_-])sora([_-]|$)|stable-diffusion"), frozenset()),
)

# What a record's own `type` says, where it is not text: LM Studio and Together AI have one.
_BY_TYPE: Mapping[object, Capabilities] = {
    "embeddings": frozenset({"embedding"}),
    "embedding": frozenset({"embedding"}),
    "rerank": frozenset({"rerank"}),
    "audio": frozenset({"audio"}),
    "transcribe": frozenset({"audio"}),
    "image": frozenset(),
    "video": frozenset(),
    "moderation": frozenset(),
}

# (dotted name, its value or one of its members, what that proves): Mistral, OpenRouter, LM Studio, llama.cpp.
_EVIDENCE: tuple[tuple[str, object, Capability], ...] = (
    ("capabilities.function_calling", True, "tools"),
    ("capabilities.vision", True, "vision"),
    ("capabilities", "tool_use", "tools"),
    ("type", "vlm", "vision"),
    ("architecture.input_modalities", "image", "vision"),
    ("architecture.input_modalities", "audio", "audio"),
    ("supported_parameters", "tools", "tools"),
    ("supported_parameters", "structured_outputs", "json_schema"),
    ("supported_parameters", "reasoning", "reasoning"),
    ("modalities.vision", True, "vision"),
    ("modalities.audio", True, "audio"),
    ("chat_template_caps.supports_tools", True, "tools"),
)


async def discover(transport: Transport, vendor: Vendor, patience: float) -> Models | None:
    """What the server offers now; None when it has no list. `patience`: seconds for each question. Raises
    UpstreamError.
    """
    listing = await _listing(transport, vendor, patience)
    if listing is None:
        return None
    entries = records(listing, transport.name)
    facts = await _facts(transport, vendor, patience) if len(entries) == 1 else {}
    return tuple(describe(record, facts, vendor, transport.name) for record in entries)


def describe(record: Record, facts: Record, vendor: Vendor, provider: str) -> ModelInfo:
    """One model from its record in the list and what the server says of itself. `record` has an `id`."""
    sources = (facts, record)
    state = record.get("state")
    return ModelInfo(
        id=str(record["id"]),
        provider=provider,
        capabilities=_capabilities(record, facts, vendor),
        context_window=number(sources, vendor.context_fields),
        price=None if vendor.prices is None else price(record, vendor.prices),
        max_output_tokens=number(sources, ("max_completion_tokens", "top_provider.max_completion_tokens")),
        size_bytes=number(sources, ("meta.size",)),
        format=text(record, "compatibility_type"),
        quantization=text(record, "quantization"),
        family=text(record, "arch"),
        loaded=None if state is None else state == "loaded",
        created=number(sources, ("created",)) or 0,
        owned_by=text(record, "owned_by") or text(record, "publisher"),
        description=text(record, "description"),
    )


def named(model: str, vendor: Vendor, provider: str) -> ModelInfo:
    """A model of which nothing but the name is known."""
    return describe({"id": model}, {}, vendor, provider)


async def _listing(transport: Transport, vendor: Vendor, patience: float) -> object | None:
    """A vendor's own list may be newer than the server; the one that all have is the fallback."""
    for path in dict.fromkeys((vendor.models_path, "models")):
        try:
            return await get_json(transport, vendor.locate(path), first_byte_timeout=patience)
        except NotFound:
            continue
    return None


async def _facts(transport: Transport, vendor: Vendor, patience: float) -> Record:
    """Nice to have: a server that keeps them to itself serves all the same. A refused key is worth knowing."""
    if vendor.facts_path is None:
        return {}
    try:
        facts = await get_json(transport, vendor.locate(vendor.facts_path), first_byte_timeout=patience)
    except UpstreamAuthFailed:
        raise
    except (NotFound, UpstreamError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _capabilities(record: Record, facts: Record, vendor: Vendor) -> Capabilities:
    kind = _BY_TYPE.get(record.get("type"))
    if kind is None:
        kind = _by_name(str(record["id"]).lower())
    if kind is not None:
        return kind
    proven = {capability for path, sign, capability in _EVIDENCE if shows((facts, record), path, sign)}
    return (_TEXT if vendor.completions else _CHAT) | proven


def _by_name(name: str) -> Capabilities | None:
    return next((capabilities for pattern, capabilities in _BY_NAME if pattern.search(name)), None)
