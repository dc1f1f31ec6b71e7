"""Errors as GraphQL tells them: a message, and in `extensions` what a program needs.

`code` is the kind in capitals (ErrorKind); `type` is the finer word that the OpenAI dialect has as its code.
A defect is told as INTERNAL without its text, which is for the log alone.
"""

import logging
from typing import Any

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from app.api.standings import told
from app.domain.errors import ErrorKind, InternalError, InvalidRequest, PlatformError, RateLimited
from app.wire.openai_chat import errors as openai_errors

logger = logging.getLogger(__name__)

CODES: dict[ErrorKind, str] = {kind: kind.name for kind in ErrorKind}
INVALID = "invalid_operation"
_CALLERS = GraphQLError | MissingQueryError | CannotGetOperationTypeError
_DEFECT = "The platform failed unexpectedly; its log tells more under this request id."


def describe(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """One entry of `errors` in an answer."""
    known = cause(error)
    described: dict[str, Any] = {"message": known.message}
    if error.locations:
        described["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        described["path"] = error.path
    described["extensions"] = extensions(known, request_id)
    return described


def describe_refusal(error: PlatformError, request_id: str) -> dict[str, Any]:
    """The same for what was refused before there was a document to point into."""
    return {"message": error.message, "extensions": extensions(error, request_id)}


def extensions(error: PlatformError, request_id: str) -> dict[str, Any]:
    """`retryAfter` in seconds. Only what is known is there, but for `code`, `type` and `requestId`."""
    words = openai_errors.error_object(error)["error"]
    found = {
        "code": CODES[error.kind],
        "type": words["code"] or error.kind.value,
        "param": words["param"],
        "retryAfter": error.retry_after,
        "provider": error.provider,
        "limits": (told(error.standings) if isinstance(error, RateLimited) else None) or None,
        "requestId": request_id,
    }
    return {name: value for name, value in found.items() if value is not None}


def status(error: PlatformError) -> int:
    """Of the HTTP answer to a request that was refused as a whole."""
    return openai_errors.encode(error)[0]


def cause(error: GraphQLError) -> PlatformError:
    """What lies behind it: a platform error as it was raised, the caller's own mistake, or a defect."""
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    if isinstance(original, PlatformError):
        return original
    if isinstance(original, InvalidOperationTypeError):
        return InvalidRequest("Subscriptions need a WebSocket (graphql-transport-ws) on this path.", code=INVALID)
    if original is None or isinstance(original, _CALLERS):
        kind = "syntax_error" if isinstance(error, GraphQLSyntaxError) else INVALID
        return InvalidRequest(error.message, code=kind)
    return InternalError(_DEFECT)


def log_defects(errors: list[GraphQLError], request_id: str) -> None:
    for error in errors:
        if isinstance(cause(error), InternalError):
            logger.error("request %s: defect at %s", request_id, error.path, exc_info=error.original_error)
