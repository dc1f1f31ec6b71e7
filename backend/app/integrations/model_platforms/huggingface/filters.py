"""What a search of the Hub may be narrowed by: author, task, tags, and in which order."""

from collections.abc import Mapping
from typing import Any

from app.domain.errors import InvalidRequest

SORTS = frozenset({"downloads", "likes", "created_at", "last_modified", "trending_score"})
FILTERS = ("author", "task", "tags", "sort")


def read_filters(given: Mapping[str, str]) -> dict[str, Any]:
    """As hub_child.py takes them. Raises InvalidRequest."""
    for name in given:
        if name not in FILTERS:
            raise InvalidRequest(f"There is no filter '{name[:50]}': {', '.join(FILTERS)}.", param=name[:50])
    sort = given.get("sort") or "downloads"
    if sort not in SORTS:
        raise InvalidRequest(f"Models are sorted by {', '.join(sorted(SORTS))}.", param="sort")
    tags = [tag for tag in given.get("tags", "").split(",") if tag]
    return {"author": given.get("author"), "task": given.get("task"), "tags": tags, "sort": sort}
