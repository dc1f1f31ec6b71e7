"""Requests that carry an Idempotency-Key: the first is sent on, those that come after it are given its answer.

It stands before the router, around whatever else a front-end lays around it, so that an answer is given again as
its first caller had it. Those that are not sent on go through the router too, with what they are to be told: there
they are counted and recorded like any other.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable

import msgspec

from app.core.clock import Clock, SystemClock
from app.domain.errors import (
    Conflict,
    IdempotencyKeyReused,
    InternalError,
    PlatformError,
    Unavailable,
    UpstreamError,
)
from app.domain.events import EventStream
from app.domain.ports import ClaimStore
from app.inference.caching.key import VERSION, request_of
from app.inference.call import Call
from app.inference.once.claim import Claim, Recording
from app.inference.once.entry import Entry, Known, decode, refusal_of
from app.inference.once.memory import MemoryClaims

MIB = 1 << 20
AGAIN_SECONDS = 1.0
UNAVAILABLE_SECONDS = 2.0

Open = Callable[[Call], Awaitable[EventStream]]

_pack = msgspec.msgpack.Encoder().encode


class Keeping(msgspec.Struct, frozen=True):
    """`ttl`: seconds that an answer is given again. `lease`: seconds that a key stays taken whose process died.
    `most_bytes`: the largest answer that is kept; after a larger one the key is free again.
    """

    ttl: float = 86_400.0
    lease: float = 30.0
    most_bytes: int = 4 * MIB


class Once:
    """`store`: where keys are kept; None while it is not to be had. Both may change at any time."""

    def __init__(
        self,
        store: Callable[[], ClaimStore | None],
        keeping: Callable[[], Keeping] = Keeping,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._store = store
        self._keeping = keeping

    async def open(self, answer: Open, key: str, proceed: Open, call: Call) -> EventStream:
        """Takes the place of `proceed`, which sends a call on; `answer` is the router, for those that are not."""
        keeping = self._keeping()
        taken = await self._take(key, call, keeping)
        if isinstance(taken, Claim):
            return await _first(taken, call, proceed, keeping.most_bytes)
        call.known = taken
        return await answer(call)

    async def _take(self, key: str, call: Call, keeping: Keeping) -> Claim | Known:
        store = self._store()
        if store is None:
            return _unavailable()
        name, mark = _name(key, call), Entry(_fingerprint(call), secrets.token_hex(8))
        claim = Claim(store, name, mark, keeping.lease, keeping.ttl, self._clock)
        try:
            found = await claim.take()
        except UpstreamError:
            return _unavailable()
        return claim if found is None else _told(found, mark.fingerprint, call)


def in_memory() -> Once:
    """For whoever has no store."""
    claims = MemoryClaims(64 * MIB)
    return Once(lambda: claims)


async def _first(claim: Claim, call: Call, proceed: Open, most_bytes: int) -> EventStream:
    try:
        stream = await proceed(call)
    except Exception as error:
        # What no provider was asked for cost nothing, and may be another thing next time.
        refusal = refusal_of(error) if isinstance(error, PlatformError) and call.attempts else None
        if refusal is None:
            await claim.free()
        else:
            await claim.keep(refusal=refusal)
        raise
    except BaseException:
        claim.abandon()
        raise
    return Recording(stream, claim, most_bytes)


def _told(found: bytes, fingerprint: bytes, call: Call) -> Known:
    """What a request is told whose key is known already."""
    entry = decode(found)
    if entry is None:
        return InternalError("What is kept under this Idempotency-Key can't be read: use another key.")
    if entry.fingerprint != fingerprint:
        return IdempotencyKeyReused(
            "This Idempotency-Key was used for another request: a new request needs a key of its own.",
        )
    if entry.token:
        return Conflict(
            "A request with this Idempotency-Key is under way; ask again for its answer.",
            code="idempotency_key_in_use",
            retry_after=AGAIN_SECONDS,
        )
    if (known := entry.known()) is None:
        return InternalError("What is kept under this Idempotency-Key can't be read: use another key.")
    call.cache_status = "replayed"
    return known


def _name(key: str, call: Call) -> str:
    """A key is its caller's own, and belongs to one endpoint, which is told by its format."""
    format = None if call.encoded is None else call.encoded.format
    return hashlib.sha256(_pack((VERSION, call.principal.id, format, key))).hexdigest()


def _fingerprint(call: Call) -> bytes:
    request = request_of(call)
    if request is None and call.encoded is not None:  # it says something twice: then its bytes count as they are
        request = call.encoded.body
    return hashlib.sha256(_pack(request)).digest()


def _unavailable() -> Unavailable:
    return Unavailable(
        "What keeps Idempotency-Keys does not answer now, so nobody can tell whether this request was sent before."
        " Ask again, or leave the header out.",
        code="idempotency_unavailable",
        retry_after=UNAVAILABLE_SECONDS,
    )
