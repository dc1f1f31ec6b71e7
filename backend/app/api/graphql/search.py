"""Models that may be fetched, as GraphQL shows them."""

from datetime import datetime

import strawberry

from app.api.graphql.keys import check_first
from app.api.graphql.request import Asking
from app.api.graphql.scalars import Count, moment
from app.api.model_search import search
from app.domain.models import FoundModel as Found


@strawberry.type(description="A model that may be fetched.")
class FoundModel:
    name: str = strawberry.field(description="What to give to `pullModel`.")
    provider: str
    task: str | None
    formats: list[str] = strawberry.field(description="Of those that run here: gguf, safetensors.")
    parameters: Count | None
    context_window: int | None = strawberry.field(description="In tokens.")
    license: str | None
    gated: bool = strawberry.field(description="Whether its terms have to be accepted first.")
    downloads: Count | None
    likes: Count | None
    updated: datetime | None


async def search_models(
    info: Asking,
    query: str = "",
    first: int = 20,
    author: str | None = None,
    task: str | None = None,
    tags: str | None = None,
    sort: str | None = None,
) -> list[FoundModel]:
    check_first(first)
    filters = {"author": author, "task": task, "tags": tags, "sort": sort}
    return [_shown(found) for found in await search(info.context.api, query, first, filters)]


def _shown(found: Found) -> FoundModel:
    return FoundModel(
        name=found.name,
        provider=found.provider,
        task=found.task,
        formats=list(found.formats),
        parameters=None if found.parameters is None else Count(found.parameters),
        context_window=found.context_window,
        license=found.license,
        gated=found.gated,
        downloads=None if found.downloads is None else Count(found.downloads),
        likes=None if found.likes is None else Count(found.likes),
        updated=None if found.updated is None else moment(found.updated),
    )
