"""The platform's errors as gRPC's: a status code, a message, and what more there is to say as trailing metadata.

`grpc-status-details-bin` follows the richer error model, https://grpc.io/docs/guides/error/; the same stands in
plain metadata for whoever reads it by hand.
"""

import math
from typing import NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from app.api.limit_headers import metadata as limit_metadata
from app.domain.errors import ErrorKind, PlatformError, RateLimited

DOMAIN = "llm-platform"

STATUS: dict[ErrorKind, grpc.StatusCode] = {
    ErrorKind.CANCELLED: grpc.StatusCode.CANCELLED,
    ErrorKind.UNKNOWN: grpc.StatusCode.UNKNOWN,
    ErrorKind.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorKind.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorKind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorKind.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    ErrorKind.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorKind.RESOURCE_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorKind.FAILED_PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorKind.ABORTED: grpc.StatusCode.ABORTED,
    ErrorKind.OUT_OF_RANGE: grpc.StatusCode.OUT_OF_RANGE,
    ErrorKind.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    ErrorKind.INTERNAL: grpc.StatusCode.INTERNAL,
    ErrorKind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorKind.DATA_LOSS: grpc.StatusCode.DATA_LOSS,
    ErrorKind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
}

Metadata = tuple[tuple[str, str | bytes], ...]


class Refusal(NamedTuple):
    """What `context.abort` takes."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: Metadata


def encode(error: PlatformError, request_id: str) -> Refusal:
    code = STATUS[error.kind]
    message = _text(error.message)
    status = Status(code=code.value[0], message=message, details=_details(error, request_id))
    plain = {
        "x-request-id": request_id,
        "error-code": _code(error),
        "error-param": error.param,
        "retry-after": str(max(1, math.ceil(error.retry_after))) if error.retry_after is not None else None,
    }
    metadata = tuple((name, _ascii(value)) for name, value in plain.items() if value)
    if isinstance(error, RateLimited):
        metadata += limit_metadata(error.standings)
    return Refusal(code, message, (*metadata, ("grpc-status-details-bin", status.SerializeToString())))


def _details(error: PlatformError, request_id: str) -> list[AnyMessage]:
    more = {"provider": _text(error.provider)} if error.provider else {}
    found: list[Message] = [
        ErrorInfo(reason=_code(error).upper(), domain=DOMAIN, metadata=more),
        RequestInfo(request_id=request_id),
    ]
    if error.param:
        fault = BadRequest.FieldViolation(field=_text(error.param), description=_text(error.message))
        found.append(BadRequest(field_violations=[fault]))
    if error.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after * 1000))
        found.append(RetryInfo(retry_delay=delay))
    return [_packed(each) for each in found]


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _code(error: PlatformError) -> str:
    return error.code or error.kind.value


def _text(value: str) -> str:
    """Protobuf takes no lone surrogates."""
    return value.encode("utf-8", "replace").decode()


def _ascii(value: str) -> str:
    """Metadata takes printable ASCII only."""
    return "".join(char if " " <= char <= "~" else "?" for char in value)
