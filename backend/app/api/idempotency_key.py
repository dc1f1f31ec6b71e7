"""The header Idempotency-Key: what is one, and what it does to a call."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from app.domain.errors import InvalidRequest
from app.domain.events import EventStream
from app.inference.call import Call

LONGEST = 255

OpenCall = Callable[[Call], Awaitable[EventStream]]
OpenOnce = Callable[[str, OpenCall, Call], Awaitable[EventStream]]


def opening(headers: Mapping[bytes, bytes], open_call: OpenCall, once: OpenOnce) -> OpenCall:
    """`open_call`, or what takes its place for a request that carries a key. Raises InvalidRequest."""
    value = headers.get(b"idempotency-key")
    return open_call if value is None else partial(once, idempotency_key(value), open_call)


def idempotency_key(value: bytes) -> str:
    """Raises InvalidRequest for what is no key."""
    text = value.decode("latin-1")
    if not text or len(text) > LONGEST or not (text.isascii() and text.isprintable()):
        raise InvalidRequest(
            f"An Idempotency-Key has 1 to {LONGEST} printable ASCII characters: a UUID is a good one.",
            code="invalid_idempotency_key",
        )
    return text
