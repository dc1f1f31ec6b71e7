"""What a server says of its models, read into ModelInfo. The vendors agree on `id` and on little else."""

from app.core.http import Transport, get_json
from app.domain.errors import NotFound, UpstreamAuthFailed, UpstreamError
from app.domain.models import ModelInfo
from app.integrations.kit.listing import Record, at, number, price, records, text
from app.integrations.kit.probe import Models
from app.integrations.model_platforms.openai_compatible.capabilities import capabilities
from app.integrations.model_platforms.openai_compatible.vendor import Vendor

_MAX_OUTPUT = ("max_completion_tokens", "top_provider.max_completion_tokens", "limits.max_completion_tokens")


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
    return ModelInfo(
        id=str(record["id"]),
        provider=provider,
        capabilities=capabilities(record, facts, completions=vendor.completions),
        context_window=number(sources, vendor.context_fields),
        price=None if vendor.prices is None else price(record, vendor.prices),
        max_output_tokens=number(sources, _MAX_OUTPUT),
        size_bytes=number(sources, ("meta.size",)),
        format=text(record, "compatibility_type"),
        quantization=text(record, "quantization"),
        family=text(record, "arch"),
        loaded=_loaded(record),
        loading=_state(record) == "loading",
        created=number(sources, ("created",)) or 0,
        owned_by=text(record, "owned_by") or text(record, "publisher"),
        description=text(record, "description"),
        aliases=_aliases(record),
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


def _loaded(record: Record) -> bool | None:
    state = _state(record)
    return None if state is None else state == "loaded"


def _state(record: Record) -> object:
    """LM Studio's `state`; `status` of a llama.cpp server that has several models."""
    return record.get("state") or at(record, "status.value")


def _aliases(record: Record) -> tuple[str, ...]:
    names = record.get("aliases")
    if not isinstance(names, list):
        return ()
    return tuple(name for name in dict.fromkeys(names) if isinstance(name, str) and name != record["id"])
