"""Keys as every front-end tells them. Times are Unix seconds."""

import time
from typing import Any

import msgspec

from app.accounts.keys.schemas import Key, Page


def shown(key: Key, text: str | None = None) -> dict[str, Any]:
    """`text`: the key itself, which is told when it is made, and never again."""
    fields = {"object": "key", **msgspec.to_builtins(key), "status": key.status(time.time())}
    return fields if text is None else {**fields, "key": text}


def page_shown(page: Page) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [shown(key) for key in page.keys],
        "first_id": page.keys[0].id if page.keys else None,
        "last_id": page.keys[-1].id if page.keys else None,
        "has_more": page.has_more,
    }
