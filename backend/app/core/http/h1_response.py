"""The reading end of one response: what has arrived and waits, and the one future of who waits for it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from app.core.http import failures
from app.core.http.body import gather
from app.core.http.coding import Inflater, inflater
from app.core.http.transport import MAX_BODY_BYTES
from app.domain.errors import PlatformError

_HIGH_WATER = 128 * 1024
"""The connection stops reading beyond this; one more read of 64 KiB may still come on top."""


class Source(Protocol):
    """The connection, as its response sees it."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None: ...


class H1Response:
    __slots__ = (
        "_ended",
        "_error",
        "_fields",
        "_held",
        "_idle_timeout",
        "_inflater",
        "_loop",
        "_name",
        "_paused",
        "_pieces",
        "_source",
        "_timer",
        "_waiter",
        "_waiting_since",
        "status",
    )

    def __init__(
        self,
        source: Source,
        loop: asyncio.AbstractEventLoop,
        name: str,
        status: int,
        fields: dict[bytes, bytes],
        idle_timeout: float | None,
    ) -> None:
        self.status = status
        self._source = source
        self._loop = loop
        self._name = name
        self._fields = fields
        self._idle_timeout = idle_timeout
        self._inflater: Inflater | None = None
        self._pieces: list[bytes] = []
        self._held = 0
        self._paused = False
        self._ended = False
        self._error: PlatformError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._waiting_since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._fields.items()}

    def undo_coding(self) -> None:
        """Raises ProviderProtocolError for a coding we do not know."""
        coding = self._fields.get(b"content-encoding")
        if coding is not None:
            self._inflater = inflater(self._name, coding.decode("latin-1"))

    # The connection calls these.

    @property
    def held(self) -> int:
        """Bytes that arrived and were not taken yet."""
        return self._held

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)

    def wake(self) -> None:
        """A read's worth was added."""
        if self._waiter is not None:
            self._release_waiter()
        elif self._held > _HIGH_WATER and not self._paused:
            self._paused = True
            self._source.pause()

    def end(self, error: PlatformError | None = None) -> None:
        """No more will come. What was added before can still be read; then `error` is raised, if any."""
        if self._ended:
            return
        self._ended = True
        self._error = error
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiter is not None:
            self._release_waiter()

    # The holder calls these.

    async def read(self, limit: int = MAX_BODY_BYTES) -> bytes:
        if self._ended and self._error is None and self._inflater is None and self._held <= limit:
            return self._take()
        return await gather(self.chunks(), limit, self._name)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                if not self._pieces:
                    if self._ended:
                        break
                    await self._arrival()
                elif self._inflater is None:
                    yield self._take()
                else:
                    for piece in self._inflater.feed(self._take()):
                        yield piece
            if self._error is not None:
                raise self._error
            if self._inflater is not None:
                self._inflater.finish()
        finally:
            self.close()

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """A response that has ended no longer owns its connection."""
        if not self._ended:
            self.end(failures.unavailable(self._name, failures.LEFT))
            self._source.abort()
        self._pieces.clear()

    def _take(self) -> bytes:
        """All that waits, as one. b"" when nothing does."""
        pieces = self._pieces
        taken = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            if not self._ended:
                self._source.resume()
        return taken

    def _arrival(self) -> asyncio.Future[None]:
        self._waiter = self._loop.create_future()
        self._waiting_since = self._loop.time()
        if self._timer is None and self._idle_timeout is not None:
            self._timer = self._loop.call_later(self._idle_timeout, self._check_idle, self._idle_timeout)
        return self._waiter

    def _release_waiter(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _check_idle(self, limit: float) -> None:
        """One timer a response, moved when it fires: an arriving chunk costs a clock reading and no timer."""
        self._timer = None
        if self._waiter is None:
            return
        left = self._waiting_since + limit - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_idle, limit)
        else:
            self.end(failures.timed_out(self._name, "more of its answer", limit))
            self._source.abort()
