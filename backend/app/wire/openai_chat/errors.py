"""Errors of every OpenAI format, both ways: https://platform.openai.com/docs/guides/error-codes"""

from typing import NamedTuple

import msgspec

from app.domain.errors import (
    BudgetExceeded,
    ContentRefused,
    ContextLengthExceeded,
    ErrorKind,
    IdempotencyKeyReused,
    ModelNotFound,
    Overloaded,
    PayloadTooLarge,
    PlatformError,
    ProviderProtocolError,
    UnsupportedFeature,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from app.wire.openai_chat.upstream_errors import decode

__all__ = ["BY_CLASS", "BY_KIND", "decode", "encode", "error_object"]


class Shape(NamedTuple):
    status: int
    type: str
    code: str | None = None
    param: str | None = None


_REQUEST = "invalid_request_error"
_SERVER = "server_error"

BY_KIND: dict[ErrorKind, Shape] = {
    ErrorKind.CANCELLED: Shape(499, _REQUEST, "request_cancelled"),
    ErrorKind.UNKNOWN: Shape(500, _SERVER),
    ErrorKind.INVALID_ARGUMENT: Shape(400, _REQUEST),
    ErrorKind.DEADLINE_EXCEEDED: Shape(504, _SERVER, "timeout"),
    ErrorKind.NOT_FOUND: Shape(404, _REQUEST, "not_found"),
    ErrorKind.ALREADY_EXISTS: Shape(409, _REQUEST, "already_exists"),
    ErrorKind.PERMISSION_DENIED: Shape(403, _REQUEST, "permission_denied"),
    ErrorKind.RESOURCE_EXHAUSTED: Shape(429, "rate_limit_exceeded", "rate_limit_exceeded"),
    ErrorKind.FAILED_PRECONDITION: Shape(400, _REQUEST, "failed_precondition"),
    ErrorKind.ABORTED: Shape(409, _REQUEST, "conflict"),
    ErrorKind.OUT_OF_RANGE: Shape(400, _REQUEST, "out_of_range"),
    ErrorKind.UNIMPLEMENTED: Shape(501, _SERVER, "not_implemented"),
    ErrorKind.INTERNAL: Shape(500, _SERVER, "internal_error"),
    ErrorKind.UNAVAILABLE: Shape(503, _SERVER, "unavailable"),
    ErrorKind.DATA_LOSS: Shape(502, _SERVER, "data_loss"),
    ErrorKind.UNAUTHENTICATED: Shape(401, _REQUEST, "invalid_api_key"),
}
# Classes that say more than their kind; the nearest ancestor counts.
BY_CLASS: dict[type[PlatformError], Shape] = {
    PayloadTooLarge: Shape(413, _REQUEST, "request_too_large"),
    IdempotencyKeyReused: Shape(422, _REQUEST, "idempotency_key_reused"),
    ContextLengthExceeded: Shape(400, _REQUEST, "context_length_exceeded"),
    ContentRefused: Shape(400, _REQUEST, "content_policy_violation"),
    UnsupportedFeature: Shape(400, _REQUEST, "unsupported_feature"),
    ModelNotFound: Shape(404, _REQUEST, "model_not_found", "model"),
    BudgetExceeded: Shape(429, "insufficient_quota", "insufficient_quota"),
    Overloaded: Shape(503, _SERVER, "overloaded"),
    UpstreamError: Shape(502, _SERVER, "upstream_error"),
    UpstreamUnavailable: Shape(503, _SERVER, "upstream_unavailable"),
    UpstreamTimeout: Shape(504, _SERVER, "upstream_timeout"),
    UpstreamRateLimited: Shape(503, _SERVER, "upstream_rate_limited"),
    UpstreamAuthFailed: Shape(502, _SERVER, "upstream_auth_failed"),
    ProviderProtocolError: Shape(502, _SERVER, "upstream_protocol_error"),
}


def encode(error: PlatformError) -> tuple[int, bytes]:
    """The status and the body."""
    shape = _shape(error)
    return shape.status, msgspec.json.encode(error_object(error))


def error_object(error: PlatformError) -> dict[str, dict[str, str | None]]:
    """The body as a value; a stream's error frame holds the same."""
    shape = _shape(error)
    return {
        "error": {
            "message": error.message.encode("utf-8", "replace").decode(),
            "type": shape.type,
            "param": error.param or shape.param,
            "code": error.code or shape.code,
        }
    }


def _shape(error: PlatformError) -> Shape:
    for ancestor in type(error).__mro__:
        if ancestor in BY_CLASS:
            return BY_CLASS[ancestor]
    return BY_KIND[error.kind]
