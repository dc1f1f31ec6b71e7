"""Errors, both ways: https://platform.claude.com/docs/en/api/errors"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from app.domain.errors import (
    BudgetExceeded,
    ContextLengthExceeded,
    ErrorKind,
    IdempotencyKeyReused,
    ModelNotFound,
    PayloadTooLarge,
    PlatformError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.wire.openai_chat import upstream_errors

__all__ = ["BY_CLASS", "BY_KIND", "decode", "encode", "frame", "raise_error_object", "with_request_id"]


class Shape(NamedTuple):
    status: int
    type: str


_REQUEST = "invalid_request_error"
_API = Shape(500, "api_error")
_OVERLOADED = Shape(529, "overloaded_error")
_TIMEOUT = Shape(504, "timeout_error")
_CONFLICT = Shape(409, "conflict_error")

BY_KIND: dict[ErrorKind, Shape] = {
    ErrorKind.CANCELLED: Shape(499, _REQUEST),
    ErrorKind.UNKNOWN: _API,
    ErrorKind.INVALID_ARGUMENT: Shape(400, _REQUEST),
    ErrorKind.DEADLINE_EXCEEDED: _TIMEOUT,
    ErrorKind.NOT_FOUND: Shape(404, "not_found_error"),
    ErrorKind.ALREADY_EXISTS: _CONFLICT,
    ErrorKind.PERMISSION_DENIED: Shape(403, "permission_error"),
    ErrorKind.RESOURCE_EXHAUSTED: Shape(429, "rate_limit_error"),
    ErrorKind.FAILED_PRECONDITION: Shape(400, _REQUEST),
    ErrorKind.ABORTED: _CONFLICT,
    ErrorKind.OUT_OF_RANGE: Shape(400, _REQUEST),
    ErrorKind.UNIMPLEMENTED: Shape(501, "api_error"),
    ErrorKind.INTERNAL: _API,
    ErrorKind.UNAVAILABLE: _OVERLOADED,
    ErrorKind.DATA_LOSS: _API,
    ErrorKind.UNAUTHENTICATED: Shape(401, "authentication_error"),
}
# Classes that say more than their kind; the nearest ancestor counts. Spent budgets are 400, as this API tells of
# spent credit: its clients try again after a 429.
BY_CLASS: dict[type[PlatformError], Shape] = {
    PayloadTooLarge: Shape(413, "request_too_large"),
    IdempotencyKeyReused: Shape(422, _REQUEST),
    UnsupportedFeature: Shape(400, _REQUEST),
    BudgetExceeded: Shape(400, "billing_error"),
    UpstreamError: _API,
    UpstreamUnavailable: _OVERLOADED,
    UpstreamRateLimited: _OVERLOADED,
    UpstreamTimeout: _TIMEOUT,
    UpstreamAuthFailed: _API,
}
# The status that an upstream would have sent, had it not begun its stream already.
_STATUS = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "invalid_request_error": 400,
    "timeout_error": 504,
    "overloaded_error": 529,
}
# What the platform's account is to blame for may come as 400 or 429. The whole sentence counts, to its full stop:
# a caller could bring about an error that begins so, by the name of a field, and have a key laid off.
_SPENT = re.compile(
    rb'"message"\s*:\s*"(?:Your credit balance is too low|You have reached your specified'
    rb'|This request would exceed [^"\\]* spend(?:ing)? limit)[^"\\]*\."'
)
_CLOSED = re.compile(rb'"message"\s*:\s*"This organization has been disabled\."')
_DESERVED = ((_SPENT, 402), (_CLOSED, 401))


def encode(error: PlatformError) -> tuple[int, bytes]:
    """The status and the body, still without the request's id."""
    shape = _shape(error)
    message = error.message.encode("utf-8", "replace").decode()
    if isinstance(error, ContextLengthExceeded):
        # Coding agents know by these words that they have to shorten the conversation.
        message = f"prompt is too long: {message}"
    body = {"type": "error", "error": {"type": shape.type, "message": message}}
    return shape.status, msgspec.json.encode(body)


def frame(error: PlatformError) -> bytes:
    """The event that ends a stream which failed."""
    return b"event: error\ndata: " + encode(error)[1] + b"\n\n"


def with_request_id(error: bytes, id: str) -> bytes:
    """`error`, a body or a frame as written here, with the request's id in it."""
    end = error.rindex(b"}")
    return error[:end] + b',"request_id":' + msgspec.json.encode(id) + error[end:]


def _shape(error: PlatformError) -> Shape:
    for ancestor in type(error).__mro__:
        if ancestor in BY_CLASS:
            return BY_CLASS[ancestor]
    return BY_KIND[error.kind]


def decode(status: int, headers: Mapping[str, str], body: bytes, provider: str) -> PlatformError:
    """The error to raise for an answer of `status` (not 2xx). `headers` by lower-case name."""
    status = next((deserved for words, deserved in _DESERVED if words.search(body)), status)
    error = upstream_errors.decode(status, headers, body, provider)
    if status == 404 and b'"not_found_error"' in body and b"model" in body:
        message = f"{provider} does not have this model."
        return ModelNotFound(message, code="model_not_found", param="model", provider=provider)
    return error


def raise_error_object(value: object, provider: str | None) -> None:
    """Raises what `value`, a parsed answer or stream event of status 200, says where it is an error."""
    if not isinstance(value, dict) or value.get("type") != "error":
        return
    inner = value.get("error")
    kind = inner.get("type") if isinstance(inner, dict) else None
    status = _STATUS.get(kind, 0) if isinstance(kind, str) else 0
    raise decode(status, {}, msgspec.json.encode(value), provider or "The provider")
