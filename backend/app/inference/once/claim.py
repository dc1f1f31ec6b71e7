"""A key while it is one call's own, and the recording of that call's answer."""

import asyncio
import logging

from app.core.clock import Clock
from app.domain.errors import UpstreamError
from app.domain.events import EventStream, Opaque, StreamEvent
from app.domain.ports import ClaimStore
from app.inference.caching import kept
from app.inference.once.entry import Entry, Refusal, encode

RENEWALS = 3
"""Times that a lease is renewed before it would end."""

logger = logging.getLogger(__name__)
_releases: set[asyncio.Task[None]] = set()


class Claim:
    """It is renewed until it ends, so that it outlives a process that crashed by one `lease` at most."""

    def __init__(self, store: ClaimStore, key: str, mark: Entry, lease: float, ttl: float, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._key = key
        self._fingerprint = mark.fingerprint
        self._mark = encode(mark)
        self._lease = lease
        self._ttl = ttl
        self._over = False
        self._holder: asyncio.Task[None] | None = None

    async def take(self) -> bytes | None:
        """None where the key is this call's now; else what is there. Raises UpstreamError."""
        try:
            found = await self._store.claim(self._key, self._mark, self._lease)
        except BaseException:
            self.abandon()  # the store may have heard of it all the same
            raise
        if found is None:
            self._holder = asyncio.create_task(self._hold())
        return found

    async def keep(self, answer: bytes | None = None, refusal: Refusal | None = None) -> None:
        """What every further request with the key is answered."""
        await self._end(encode(Entry(self._fingerprint, answer=answer, refusal=refusal)))

    async def free(self) -> None:
        """The next request with the key is the first again."""
        await self._end(None)

    def abandon(self) -> None:
        """The same, for whoever can't wait."""
        if not self._over:
            task = asyncio.create_task(self._end(None))
            _releases.add(task)
            task.add_done_callback(_releases.discard)

    async def _end(self, value: bytes | None) -> None:
        if self._over:
            return
        self._over = True
        if self._holder is not None:
            self._holder.cancel()
        try:
            done = await self._store.exchange(self._key, self._mark, value, self._ttl)
            if value is not None and not done:
                logger.warning("an idempotency key was lost while its request was under way")
        except UpstreamError as error:
            logger.warning("an idempotency key stays taken for %g s: %s", self._lease, error)

    async def _hold(self) -> None:
        while True:
            await self._clock.sleep(self._lease / RENEWALS)
            try:
                if not await self._store.exchange(self._key, self._mark, self._mark, self._lease):
                    return
            except UpstreamError as error:
                logger.warning("an idempotency key could not be renewed: %s", error)


class Recording:
    """An answer on its way to its first caller. Satisfies EventStream.

    It is kept before anybody sees its end: whoever has all of it may rely on having it again.
    """

    def __init__(self, stream: EventStream, claim: Claim, most_bytes: int) -> None:
        self._stream = stream
        self._claim = claim
        self._room = most_bytes
        self._events: list[StreamEvent] = []

    def __aiter__(self) -> "Recording":
        return self

    async def __anext__(self) -> StreamEvent:
        try:
            event = await self._stream.__anext__()
        except StopAsyncIteration:
            await self._keep()
            raise
        except Exception:
            await self._claim.free()
            raise
        self._add(event)
        if type(event) is Opaque and event.last:
            await self._keep()
        return event

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._claim.abandon()

    def _add(self, event: StreamEvent) -> None:
        if self._room < 0:
            return
        self._room -= kept.size_of(event)
        self._events.append(event)
        if self._room < 0:
            self._events.clear()

    async def _keep(self) -> None:
        """What was too large is not there any more."""
        if not self._events or kept.failed(self._events):
            await self._claim.free()
        else:
            await self._claim.keep(kept.encode(self._events))
