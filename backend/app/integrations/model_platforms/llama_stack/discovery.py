"""What a Llama Stack server tells of itself: which generation it is, its models, and how its providers are.

Sources: src/ogx_api/{models,providers,inspect_api} of https://github.com/ogx-ai/ogx, and llama_stack/apis of its
releases before 0.4.
"""

import re
from collections.abc import Collection, Iterable, Mapping

import msgspec

from app.core.http import ErrorDecoder, Transport, error_by_status, get_json
from app.domain.errors import NotFound, ProviderProtocolError
from app.domain.models import Capability, ModelInfo
from app.integrations.kit.listing import Record, at, number, records, text
from app.wire.redact import redact


class Generation(msgspec.Struct, frozen=True):
    """`prefix`: the path of its OpenAI API. `responses`: it has OpenAI's Responses API there, settled."""

    name: str
    prefix: str
    responses: bool


BEFORE_0_4 = Generation("Llama Stack before 0.4", "/v1/openai/v1", responses=False)
SINCE_0_4 = Generation("Llama Stack since 0.4, or OGX", "/v1", responses=True)

_CAPABILITIES: Mapping[object, frozenset[Capability]] = {
    "llm": frozenset({"chat", "completion"}),
    "embedding": frozenset({"embedding"}),
    "rerank": frozenset({"rerank"}),
}
# What the providers of a stack call it in a model's metadata, and what operators register it as.
_CONTEXT_FIELDS = ("context_length", "max_model_len", "context_window", "max_context_length")
_DETAILS = ("provider_id", "provider_resource_id", "embedding_dimension")


class Provider(msgspec.Struct, frozen=True):
    """One of the backends of a stack that is not well. `api`: what it serves, such as "inference"."""

    id: str
    api: str
    message: str


async def ask_version(transport: Transport, patience: float) -> str:
    """ "" where nothing is told: a gateway in front may show the API alone."""
    answer = await _ask(transport, "/v1/version", patience)
    return text(answer, "version") or "" if isinstance(answer, dict) else ""


async def ask_models(transport: Transport, patience: float) -> object:
    """The list as it is. Raises UpstreamError, also for a server that has none."""
    try:
        return await get_json(transport, "/v1/models", first_byte_timeout=patience)
    except NotFound:
        message = f"'{transport.name}' has no /v1/models: it is not a Llama Stack server."
        raise ProviderProtocolError(message, provider=transport.name) from None


async def ask_failing(transport: Transport, patience: float) -> tuple[Provider, ...]:
    """The providers whose own health check fails. Those that have none are taken to be well."""
    answer = await _ask(transport, "/v1/providers", patience)
    listed = () if answer is None else records(answer, transport.name, "provider_id")
    return tuple(_provider(entry) for entry in listed if at(entry, "health.status") == "Error")


def read_models(
    listing: object, version: str, provider: str, failing: Collection[str]
) -> tuple[Generation, tuple[ModelInfo, ...]]:
    """`failing`: ids of the inference providers that can't serve now. The shape of the records tells the
    generation; where there is none, the version does. Raises ProviderProtocolError.
    """
    found = records(listing, provider)
    early = () if found else records(listing, provider, "identifier")
    models = tuple(_describe(record, provider, failing) for record in found or early)
    if found or not (early or _is_before_0_4(version)):
        return SINCE_0_4, models
    return BEFORE_0_4, models


def _describe(record: Record, provider: str, failing: Collection[str]) -> ModelInfo:
    """The server makes `created` up anew for each answer, so it is not read."""
    facts = dict(_facts(record))
    backend = text(facts, "provider_id")
    return ModelInfo(
        id=str(facts.get("id") or facts["identifier"]),
        provider=provider,
        capabilities=_CAPABILITIES.get(facts.get("model_type", "llm"), frozenset()),
        context_window=number((facts,), _CONTEXT_FIELDS),
        owned_by=backend,
        serving=backend not in failing,
        details={name: facts[name] for name in _DETAILS if facts.get(name)},
    )


def _provider(entry: Record) -> Provider:
    message = at(entry, "health.message")
    told = redact(message, 200) if isinstance(message, str) else ""
    return Provider(str(entry["provider_id"]), text(entry, "api") or "", told)


def _facts(record: Record) -> Iterable[tuple[str, object]]:
    """What is known of a model, on one level: its metadata, and over it what the server itself says."""
    for field in ("metadata", "custom_metadata"):
        value = record.get(field)
        if isinstance(value, dict):
            yield from value.items()
    yield from record.items()


def _is_before_0_4(version: str) -> bool:
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) < (0, 4)


async def _ask(transport: Transport, path: str, patience: float) -> object:
    """None where the path is not there, or not for us: a key that may not see it may well see others."""
    try:
        return await get_json(
            transport, path, decode_error=_forbidden_is_absent(transport.name), first_byte_timeout=patience
        )
    except NotFound:
        return None


def _forbidden_is_absent(provider: str) -> ErrorDecoder:
    return lambda status, headers, body: error_by_status(provider, 404 if status == 403 else status)
