"""Models that may be fetched, wherever they are to be found."""

import asyncio
from collections.abc import Mapping
from itertools import chain

from app.api.context import ApiContext
from app.domain.errors import InvalidRequest
from app.domain.models import FoundModel
from app.domain.ports import ModelFinder

MOST = 100


async def search(
    context: ApiContext, query: str, limit: int, filters: Mapping[str, str | None]
) -> list[FoundModel]:
    """Of each integration that can search `limit` at most. Raises InvalidRequest, and what these raise."""
    if not 1 <= limit <= MOST:
        raise InvalidRequest(f"`limit` must lie between 1 and {MOST}.", param="limit")
    if len(query) > 200 or not query.isprintable():
        raise InvalidRequest("A search is a line of 200 characters at most.", param="q")
    given = {name: value for name, value in filters.items() if value}
    finders = context.manager.providing(ModelFinder)
    if not finders:
        raise InvalidRequest("No integration that can search is serving: 'huggingface_hub' can.")
    found = await asyncio.gather(*(finder.search_models(query, limit, given) for finder in finders))
    return list(chain.from_iterable(found))
