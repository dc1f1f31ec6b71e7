"""Small JSON bodies of the platform's own routes, bounded before they are read, checked before they are used."""

from typing import TypeVar

import msgspec
from fastapi import Request

from app.api.asgi import headers_of, read_body
from app.api.policy import ApiPolicy
from app.wire.json_limits import check_depth
from app.wire.json_text import decode_request

T = TypeVar("T")


async def read_value(request: Request, policy: ApiPolicy, kind: type[T], *, empty: T | None = None) -> T:
    """The body as a `kind`; `empty` for none, where that may be. Raises InvalidRequest, PayloadTooLarge."""
    body = await read_body(headers_of(request.scope), request.receive, policy.body_bytes)
    if empty is not None and not body:
        return empty
    check_depth(body, policy.json_depth)
    return decode_request(msgspec.json.Decoder(kind), body)
