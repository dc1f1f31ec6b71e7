"""What a server says of its models, read into ModelInfo. The vendors agree on `id` and on little else.

Where a record does not tell what a model can do, its name must; that is a guess and no more.
"""

import re
from collections.abc import Iterable, Mapping

from app.core.http import Transport, get_json
from app.domain.errors import NotFound, ProviderProtocolError, UpstreamAuthFailed, UpstreamError
from app.domain.models import Capability, ModelInfo
from app.integrations.kit.probe import Models
from app.integrations.model_platforms.openai_compatible.catalogue import Vendor

Record = Mapping[str, object]
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
    records = _records(listing, transport.name)
    facts = await _facts(transport, vendor, patience) if len(records) == 1 else {}
    return tuple(describe(record, facts, vendor, transport.name) for record in records)


def describe(record: Record, facts: Record, vendor: Vendor, provider: str) -> ModelInfo:
    """One model from its record in the list and what the server says of itself. `record` has an `id`."""
    sources = (facts, record)
    state = record.get("state")
    return ModelInfo(
        id=str(record["id"]),
        provider=provider,
        capabilities=_capabilities(record, facts, vendor),
        context_window=_number(sources, vendor.context_fields),
        max_output_tokens=_number(sources, ("max_completion_tokens", "top_provider.max_completion_tokens")),
        size_bytes=_number(sources, ("meta.size",)),
        format=_text(record, "compatibility_type"),
        quantization=_text(record, "quantization"),
        family=_text(record, "arch"),
        loaded=None if state is None else state == "loaded",
        created=_number(sources, ("created",)) or 0,
        owned_by=_text(record, "owned_by") or _text(record, "publisher"),
        description=_text(record, "description"),
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


def _records(listing: object, provider: str) -> tuple[Record, ...]:
    """Together AI answers with the bare array."""
    entries = listing.get("data") if isinstance(listing, dict) else listing
    if not isinstance(entries, list):
        raise ProviderProtocolError(f"'{provider}' lists its models in an unknown form.", provider=provider)
    return tuple(entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str))


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
    proven = {capability for path, sign, capability in _EVIDENCE if _shows((facts, record), path, sign)}
    return (_TEXT if vendor.completions else _CHAT) | proven


def _by_name(name: str) -> Capabilities | None:
    return next((capabilities for pattern, capabilities in _BY_NAME if pattern.search(name)), None)


def _shows(sources: Iterable[Record], path: str, sign: object) -> bool:
    for source in sources:
        value = _at(source, path)
        if value == sign or (isinstance(value, list) and sign in value):
            return True
    return False


def _number(sources: Iterable[Record], paths: Iterable[str]) -> int | None:
    """The first positive whole number at any of `paths`."""
    found = (_at(source, path) for path in paths for source in sources)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), None)


def _text(record: Record, field: str) -> str | None:
    value = record.get(field)
    return value if isinstance(value, str) and value else None


def _at(source: object, path: str) -> object:
    for step in path.split("."):
        if not isinstance(source, dict):
            return None
        source = source.get(step)
    return source
