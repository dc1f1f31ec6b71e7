"""The connections of one transport: those that wait, the newest taken first, and all that are open."""

import asyncio

from app.core.http.h1_connection import H1Connection
from app.domain.errors import PlatformError


class Pool:
    """How many may be open at once is not limited. One that has waited for `keep_alive` seconds is closed.

    Taking checks nothing: a connection that the peer closes, or that speaks unasked, removes itself.
    """

    def __init__(self, max_idle: int, keep_alive: float) -> None:
        self._max_idle = max_idle
        self._keep_alive = keep_alive
        self._idle: list[H1Connection] = []
        self._open: set[H1Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None

    @property
    def closed(self) -> bool:
        return self._emptied is not None

    @property
    def busy(self) -> bool:
        return len(self._open) > len(self._idle)

    def add(self, connection: H1Connection) -> None:
        """A new one, in use."""
        self._open.add(connection)

    def take(self) -> H1Connection | None:
        return self._idle.pop() if self._idle else None

    def give_back(self, connection: H1Connection) -> None:
        if self.closed or len(self._idle) >= self._max_idle:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._timer is None:
            self._timer = loop.call_later(self._keep_alive, self._expire)

    def withdraw(self, connection: H1Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    def remove(self, connection: H1Connection) -> None:
        self._open.discard(connection)
        if self._emptied is not None and not self._open:
            self._emptied.set()

    async def aclose(self, error: PlatformError) -> None:
        """Closes all, failing those in use with `error`; returns when the sockets are closed."""
        if self._emptied is None:
            self._emptied = asyncio.Event()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._idle.clear()
        for connection in tuple(self._open):
            connection.fail(error)
        if self._open:
            await self._emptied.wait()

    def _expire(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        limit = loop.time() - self._keep_alive
        while self._idle and self._idle[0].idle_since <= limit:
            self._idle.pop(0).abort()
        if self._idle:
            self._timer = loop.call_at(self._idle[0].idle_since + self._keep_alive, self._expire)
