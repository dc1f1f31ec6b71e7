"""What the list of models tells, as ModelInfo, and from it how a model is to be asked.

https://platform.claude.com/docs/en/api/models/list. Servers of other vendors, which have this API too, tell less;
nothing here is needed.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

import msgspec

from app.core.http import Transport, get_json
from app.domain.errors import NotFound
from app.domain.models import Capability, ModelInfo
from app.integrations.kit.listing import Record, at, number, records, text
from app.integrations.kit.probe import Models
from app.integrations.model_platforms.anthropic.settings import AnthropicSettings
from app.wire.anthropic_messages.native import Profile

MODELS = "/v1/models"
PAGE = 1000
_MOST_PAGES = 20

_DATED = re.compile(r"-20\d{6}$")
_KNOWN: tuple[tuple[str, Capability], ...] = (
    ("image_input", "vision"),
    ("structured_outputs", "json_schema"),
    ("thinking", "reasoning"),
)


async def discover(transport: Transport, patience: float) -> Models | None:
    """What the server offers now; None when it has no list. `patience`: seconds for each page. Raises
    UpstreamError.
    """
    found: list[Record] = []
    after = ""
    for _ in range(_MOST_PAGES):
        try:
            page = await get_json(transport, f"{MODELS}?limit={PAGE}{after}", first_byte_timeout=patience)
        except NotFound:
            return None
        found += records(page, transport.name)
        last = at(page, "last_id")
        if at(page, "has_more") is not True or not isinstance(last, str):
            break
        after = f"&after_id={quote(last, safe='')}"
    return _with_aliases(describe(each, transport.name) for each in found if each.get("lifecycle") != "retired")


def describe(record: Record, provider: str) -> ModelInfo:
    """One model from its record, which has an `id`. `details`: what profile() needs, where the list tells it."""
    told = isinstance(record.get("capabilities"), dict)
    return ModelInfo(
        id=str(record["id"]),
        provider=provider,
        capabilities=frozenset({"chat", "tools", *(name for field, name in _KNOWN if _supports(record, field))}),
        context_window=number((record,), ("max_input_tokens",)),
        max_output_tokens=number((record,), ("max_tokens",)),
        family=text(record, "line"),
        created=_seconds(text(record, "created_at")),
        owned_by="anthropic" if told else None,
        description=text(record, "display_name"),
        details=_details(record) if told else {},
    )


def profile(info: ModelInfo | None, settings: AnthropicSettings) -> Profile:
    """How a model is to be asked; of one that is not known, as the caller wants."""
    told = info.details if info else {}
    return Profile(
        limit=(info.max_output_tokens if info else None) or settings.max_tokens,
        sampling=settings.has_sampling and told.get("sampling", True),
        thinking=frozenset(told["thinking"]) if told else None,
        efforts=frozenset(told["effort"]) if told else None,
        structured="json_schema" in info.capabilities if info and told else None,
        cache=settings.cache_prompts,
    )


def _details(record: Record) -> dict[str, object]:
    types, efforts = at(record, "capabilities.thinking.types"), at(record, "capabilities.effort")
    thinking = _supported(types) | ({"disabled"} - _names(types))
    facts: dict[str, object] = {
        "thinking": sorted(thinking),
        "effort": sorted(_supported(efforts)),
        "sampling": _is_sampled(record, thinking),
    }
    if record.get("lifecycle") == "deprecated":
        facts["lifecycle"] = "deprecated"
    return facts


def _is_sampled(record: Record, thinking: Iterable[str]) -> bool:
    """The list does not tell. Models later than Claude Opus 4.6 take the defaults of temperature, top_p and top_k
    and nothing else. They are those that think, but not on a budget, and the line `mythos`.
    https://platform.claude.com/docs/en/api/messages/create
    """
    return not _supports(record, "thinking") or ("enabled" in thinking and record.get("line") != "mythos")


def _supports(record: Record, capability: str) -> bool:
    return at(record, f"capabilities.{capability}.supported") is True


def _names(entries: object) -> set[str]:
    return set(entries) if isinstance(entries, dict) else set()


def _supported(entries: object) -> set[str]:
    return {name for name in _names(entries) if at(entries, f"{name}.supported") is True}


def _with_aliases(models: Iterable[ModelInfo]) -> Models:
    """A name without its date means the newest model of that name."""
    found = {model.id: model for model in models}
    named: dict[str, str] = {}
    for model in sorted(found.values(), key=lambda each: each.created):
        if (name := _DATED.sub("", model.id)) not in found:
            named[name] = model.id
    aliases = {id: name for name, id in named.items()}
    return tuple(
        msgspec.structs.replace(model, aliases=(aliases[model.id],)) if model.id in aliases else model
        for model in found.values()
    )


def _seconds(moment: str | None) -> int:
    """Unix seconds of an RFC 3339 time; 0 where there is none to be read."""
    try:
        return max(0, int(msgspec.convert(moment, datetime).timestamp()))
    except msgspec.ValidationError:
        return 0
