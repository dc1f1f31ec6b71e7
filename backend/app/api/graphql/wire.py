"""JSON in and out: an operation as clients send it, and what is sent back. The same over HTTP and sockets."""

from typing import Any

import msgspec
from strawberry.types import ExecutionResult

from app.api.graphql import limits
from app.api.graphql.errors import describe
from app.api.graphql.measure import refusal
from app.domain.errors import InvalidRequest
from app.domain.tracing import Trace, told_in
from app.wire.json_limits import check_depth
from app.wire.json_text import decode_request


class Operation(msgspec.Struct, frozen=True):
    """One document to run. Of `extensions` only traceparent and tracestate are read, and only on a socket, whose
    operations have no headers of their own. Whatever else a client adds is passed over.
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = msgspec.field(name="operationName", default=None)
    extensions: Any = None

    def trace(self) -> Trace | None:
        return told_in(self.extensions)

    def check(self) -> None:
        """Raises InvalidRequest for a document that is too large to be looked at."""
        if len(self.query.encode()) > limits.DOCUMENT_BYTES:
            raise refusal(
                "document_too_large",
                f"it is larger than {limits.DOCUMENT_BYTES:,} bytes; put long texts in variables",
            )


_decoder = msgspec.json.Decoder(Operation)


def decode(body: bytes, depth: int) -> Operation:
    """Raises InvalidRequest."""
    check_depth(body, depth)
    if body.lstrip()[:1] == b"[":
        raise InvalidRequest("Send one operation a request: batches are refused.", code="batch_refused")
    operation = decode_request(_decoder, body)
    operation.check()
    return operation


def answer(result: ExecutionResult, request_id: str) -> dict[str, Any]:
    """`data` is left out where nothing was executed, as the GraphQL specification wants it."""
    told: dict[str, Any] = {}
    if result.errors:
        told["errors"] = [describe(error, request_id) for error in result.errors]
    if not refused(result):
        told["data"] = result.data
    return told


def refused(result: ExecutionResult) -> bool:
    """Whether it failed before anything was executed."""
    return result.data is None and all(error.path is None for error in result.errors or ())
