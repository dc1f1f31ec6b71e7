"""What the router tells of its models: https://huggingface.co/docs/inference-providers/hub-api"""

from collections.abc import Iterable, Iterator

from app.domain.models import Capability, ModelInfo
from app.integrations.kit.listing import PriceFields, Record, at, number, price, records, shows, text

_MODALITIES: tuple[tuple[str, Capability], ...] = (("image", "vision"), ("audio", "audio"))
_FEATURES: tuple[tuple[str, Capability], ...] = (
    ("supports_tools", "tools"),
    ("supports_structured_output", "json_schema"),
)
_PRICES = PriceFields(input="pricing.input", output="pricing.output")


def read_models(listing: object, provider: str, *, list_providers: bool) -> Iterator[ModelInfo]:
    """Each model, and with `list_providers` each of its live providers after it. Raises ProviderProtocolError."""
    for record in records(listing, provider):
        backends = _backends(record)
        live = [each for each in backends if each.get("status") == "live"]
        yield _describe(record, live, provider, serving=bool(live or not backends))
        for backend in live if list_providers else ():
            yield _describe(record, [backend], provider, suffix=f":{backend['provider']}")


def embedding_model(name: str, provider: str) -> ModelInfo:
    return ModelInfo(id=name, provider=provider, capabilities=frozenset({"embedding"}))


def _describe(
    record: Record, live: Iterable[Record], provider: str, *, suffix: str = "", serving: bool = True
) -> ModelInfo:
    """A model can do what one of its providers can, which a caller may name; so its context is the longest."""
    live = tuple(live)
    lengths = [length for each in live if (length := number((each,), ("context_length",)))]
    prices = {str(each["provider"]): each["pricing"] for each in live if each.get("pricing")}
    return ModelInfo(
        id=f"{record['id']}{suffix}",
        provider=provider,
        capabilities=frozenset({"chat", *_proven(record, live)}),
        context_window=max(lengths, default=None),
        created=number((record,), ("created",)) or 0,
        price=price(live[0], _PRICES) if len(live) == 1 else None,
        owned_by=text(record, "owned_by"),
        serving=serving,
        details={"pricing": prices} if prices else {},
    )


def _backends(record: Record) -> list[Record]:
    listed = record.get("providers")
    entries = listed if isinstance(listed, list) else []
    return [each for each in entries if isinstance(each, dict) and isinstance(each.get("provider"), str)]


def _proven(record: Record, live: Iterable[Record]) -> Iterator[Capability]:
    for modality, capability in _MODALITIES:
        if shows((record,), "architecture.input_modalities", modality):
            yield capability
    for feature, capability in _FEATURES:
        if any(at(each, feature) is True for each in live):
            yield capability
