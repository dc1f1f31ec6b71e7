"""What every answer of the dialect beside the hot endpoint's has: the request's id in its headers, and errors."""

from collections.abc import Mapping

from starlette.responses import Response

from app.api import request_ids
from app.api.asgi import error_headers
from app.domain.errors import PlatformError
from app.wire.anthropic_messages import errors

VERSION = "anthropic-version"
"""The header by which callers of the two dialects are told apart where these share a path."""


def id_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """For the answer to a request with `headers`."""
    id = request_ids.request_id(headers.get("x-request-id", ""))
    return {"x-request-id": id, "request-id": id}


def error_response(error: PlatformError, headers: Mapping[str, str]) -> Response:
    """`headers` are the request's."""
    status, body = errors.encode(error)
    ids = id_headers(headers)
    more = {name.decode(): value.decode() for name, value in error_headers(error)}
    body = errors.with_request_id(body, ids["request-id"])
    return Response(body, status, {**ids, **more}, media_type="application/json")
