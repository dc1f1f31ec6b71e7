"""Small steps of raw ASGI endpoints: who calls, read a body, send bytes."""

from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

from app.api import request_ids
from app.api.head import Headers
from app.api.policy import ApiPolicy
from app.domain.errors import BudgetExceeded, Cancelled, InvalidRequest, PayloadTooLarge, PlatformError
from app.domain.exchange import HOPS_HEADER
from app.domain.principal import Principal
from app.domain.tracing import Trace, received
from app.wire.openai_chat import errors

CLOSES_ITSELF = "closes_itself"
"""What takes a WebSocket sets this in its scope's `state` when it closes it itself as the platform stops, once all
that is under way has ended. Others are closed by the server at once."""

REPLAYED = (b"idempotent-replayed", b"true")
_HOPS = HOPS_HEADER.encode()

JSON_TYPE = (b"content-type", b"application/json")


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """The request's headers by lower-case name."""
    return dict(scope["headers"])


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """The caller's x-request-id if it is a plain short word, else a new one."""
    return request_ids.request_id(headers.get(b"x-request-id", b"").decode("latin-1"))


def kept(headers: Mapping[bytes, bytes], names: tuple[bytes, ...]) -> tuple[tuple[str, str], ...]:
    """Those of `headers` that belong to the format of the body."""
    return tuple((name.decode(), headers[name].decode("latin-1")) for name in names if name in headers)


def sent_trace(headers: Mapping[bytes, bytes]) -> Trace | None:
    """The trace that the caller says its request is part of."""
    parent = headers.get(b"traceparent")
    return None if parent is None else received(_text(parent), _text(headers.get(b"tracestate")))


async def identify(headers: Mapping[bytes, bytes], policy: ApiPolicy) -> Principal:
    """Raises Unauthenticated, Unavailable."""
    return await policy.authenticator.authenticate(sent_key(headers, policy))


def sent_key(headers: Mapping[bytes, bytes], policy: ApiPolicy) -> str | None:
    """The key that stands in the headers, unchecked. Raises Unauthenticated when they can't be made out."""
    return policy.authenticator.shown(_text(headers.get(b"authorization")), _text(headers.get(b"x-api-key")))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


MAX_HOPS = 5


def hops(headers: Mapping[bytes, bytes]) -> int:
    """How many platforms the request has passed. Raises InvalidRequest for one that must be going in circles."""
    told = headers.get(_HOPS)
    if told is None:
        return 0
    passed = int(told) if told.isdigit() and len(told) < 4 else MAX_HOPS
    if passed >= MAX_HOPS:
        raise InvalidRequest(
            f"The request has passed {MAX_HOPS} platforms: a target of the model leads back to one of them. "
            "Look at the base_url of the integrations.",
            code="loop_detected",
        )
    return passed


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises PayloadTooLarge beyond `limit` bytes, Cancelled if the client left."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise InvalidRequest("A compressed body is not read here: send it without Content-Encoding.")
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts, size = [], 0
    while message["type"] == "http.request":
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise Cancelled("The client left before its request was complete.")


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is larger than {limit:,} bytes.", code="request_too_large")


async def send_json(send: Send, status: int, body: bytes, headers: Headers) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [JSON_TYPE, (b"content-length", str(len(body)).encode()), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def deny_websocket(send: Send, error: PlatformError) -> None:
    """Answer a handshake with an error body instead of accepting it."""
    status, body = errors.encode(error)
    headers = [JSON_TYPE, *error_headers(error)]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def error_headers(error: PlatformError) -> Headers:
    """Retry-After in whole seconds, rounded up; `connection: close` when the body was left unread; not to try
    again what waiting does not mend; and that the error is told again.
    """
    headers: Headers = []
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, -(-error.retry_after // 1))))
    if isinstance(error, PayloadTooLarge):
        headers.append((b"connection", b"close"))
    elif isinstance(error, BudgetExceeded):
        headers.append((b"x-should-retry", b"false"))  # OpenAI's and Anthropic's clients obey it
    if error.replayed:
        headers.append(REPLAYED)
    return headers


class ClientGone(Exception):
    """The client closed its connection; nobody is left to answer."""
