"""From a thread that must not be hurried to an event loop that must not wait."""

import asyncio
from collections import deque
from threading import Condition

MAX_HELD_BYTES = 256 * 1024


class Channel:
    """A queue of byte strings, bounded by their size. One thread puts, one task takes, either may end it.

    A thread that puts while the queue is full waits until the task has taken, or has closed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = MAX_HELD_BYTES) -> None:
        """To be built in the loop's own thread."""
        self._loop = loop
        self._limit = limit
        self._changed = Condition()
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._closed = False
        self._ended = False
        self._failure: BaseException | None = None
        self._arrival = asyncio.Event()

    def put(self, chunk: bytes) -> bool:
        """From the thread: hand over `chunk`; True when nobody wants any more."""
        with self._changed:
            while self._held and self._held + len(chunk) > self._limit and not self._closed:
                self._changed.wait()
            if self._closed:
                return True
            first = not self._chunks
            self._chunks.append(chunk)
            self._held += len(chunk)
        return self._wake() if first else False

    def end(self, failure: BaseException | None = None) -> None:
        """From the thread: nothing more will come, because of `failure` if there is one."""
        with self._changed:
            self._ended = True
            self._failure = failure
        self._wake()

    async def take(self) -> list[bytes]:
        """All that has arrived, at least one; empty at the end. Raises the failure that the thread ended with."""
        while True:
            self._arrival.clear()
            with self._changed:
                taken, self._held = list(self._chunks), 0
                self._chunks.clear()
                ended = self._ended
                self._changed.notify()
            if taken:
                return taken
            if ended:
                if self._failure is not None:
                    raise self._failure
                return []
            await self._arrival.wait()

    def close(self) -> None:
        """From the loop: nobody wants any more. The thread learns it at its next `put`."""
        with self._changed:
            self._closed = True
            self._chunks.clear()
            self._held = 0
            self._changed.notify()

    def _wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._arrival.set)
        except RuntimeError:
            # The loop is gone, and whoever waited with it.
            return True
        return False
