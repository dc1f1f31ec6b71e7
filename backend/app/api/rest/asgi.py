"""Small steps of the raw ASGI endpoints: read a body, send bytes, notice that the client left."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count

from starlette.types import Receive, Scope, Send

from app.domain.errors import Cancelled, InvalidRequest, PayloadTooLarge

Headers = list[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")
_PREFIX = secrets.token_hex(6)
_COUNTER = count(1)


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """The request's headers by lower-case name."""
    return dict(scope["headers"])


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """The caller's x-request-id if it is a plain short word, else a new one."""
    given = headers.get(b"x-request-id", b"")
    if 0 < len(given) <= 128 and given.replace(b"-", b"").replace(b"_", b"").isalnum():
        return given.decode("ascii")
    return f"req-{_PREFIX}{next(_COUNTER):08x}"


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises PayloadTooLarge beyond `limit` bytes, Cancelled if the client left."""
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
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
            "headers": [_JSON, (b"content-length", str(len(body)).encode()), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


class ClientGone(Exception):
    """The client closed its connection; nobody is left to answer."""


@asynccontextmanager
async def until_disconnect(receive: Receive) -> AsyncIterator[None]:
    """Run the block; when the client leaves, cancel it and raise ClientGone.

    To be entered after the body has been read: from then on `receive` returns only to say that the client left.
    """
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if gone and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        watcher.cancel()
