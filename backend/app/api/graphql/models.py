"""Models as GraphQL shows them."""

from collections.abc import Iterable
from enum import Enum

import strawberry

from app.api.graphql.scalars import Count
from app.api.models import model_status
from app.domain.models import ModelInfo
from app.inference.entry import ModelEntry


@strawberry.enum(description="Whether a model can answer now, and whether it has to be brought into memory first.")
class ModelStatus(Enum):
    LOADED = strawberry.enum_value("loaded", description="In memory.")
    LOADING = strawberry.enum_value("loading", description="On its way into memory.")
    UNLOADED = strawberry.enum_value("unloaded", description="Brought into memory on its next use.")
    AVAILABLE = strawberry.enum_value(
        "available", description="Served where nobody sees its memory, as in a cloud."
    )
    UNAVAILABLE = strawberry.enum_value("unavailable", description="Known, but what serves it is down.")
    REMOVED = strawberry.enum_value("removed", description="It was there a moment ago. Only in updates.")


@strawberry.type(description="A name that requests may use, and what is known of the model behind it.")
class Model:
    id: strawberry.ID = strawberry.field(description="The name to ask for.")
    name: str = strawberry.field(description="What the provider itself calls it.")
    provider: str = strawberry.field(description="The integration that is asked first.")
    providers: list[str] = strawberry.field(description="Every integration that has it, in the order of asking.")
    status: ModelStatus
    capabilities: list[str] = strawberry.field(
        description="chat, completion, embedding, tools, vision, audio, json_schema, reasoning, rerank."
    )
    context_window: int | None = strawberry.field(description="In tokens.")
    max_output_tokens: int | None
    size_bytes: Count | None = strawberry.field(description="On disk.")
    family: str | None
    format: str | None
    quantization: str | None
    license: str | None = strawberry.field(description="As the model's files or its maker tell it.")
    owned_by: str | None
    aliases: list[str] = strawberry.field(description="Other names that the provider takes for it.")


@strawberry.type(description="A model's status, as it is at the start and then whenever it has changed.")
class ModelStatusUpdate:
    id: strawberry.ID
    status: ModelStatus


def statuses(entries: Iterable[ModelEntry]) -> dict[str, ModelStatus]:
    return {entry.name: ModelStatus(model_status(entry)) for entry in entries}


def model_of(entry: ModelEntry) -> Model:
    first = entry.targets[0]
    known = entry.known or ModelInfo(id=first.model, provider=first.integration, capabilities=frozenset())
    return Model(
        id=strawberry.ID(entry.name),
        name=first.model,
        provider=first.integration,
        providers=list(dict.fromkeys(target.integration for target in entry.targets)),
        status=ModelStatus(model_status(entry)),
        capabilities=sorted(known.capabilities),
        context_window=known.context_window,
        max_output_tokens=known.max_output_tokens,
        size_bytes=None if known.size_bytes is None else Count(known.size_bytes),
        family=known.family,
        format=known.format,
        quantization=known.quantization,
        license=known.license,
        owned_by=known.owned_by,
        aliases=list(known.aliases),
    )
