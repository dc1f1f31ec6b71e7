"""Spans on their way to the collector: a bounded queue and a thread of its own, so that nobody ever waits for it.

While the collector takes nothing, spans are lost and counted, and one line says so; another when it takes them
again.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan

BATCH = 512

logger = logging.getLogger(__name__)


class Outbox:
    """`deliver` takes a batch and says why it could not be delivered, None where it was; it may block and raise.
    `room`: spans that wait at most; `delay`: seconds between two deliveries.
    """

    def __init__(self, deliver: Callable[[Sequence[ReadableSpan]], str | None], room: int, delay: float) -> None:
        self.delivered = 0
        self.lost = 0
        self.trouble: str | None = None
        self._deliver = deliver
        self._room = room
        self._delay = delay
        self._waiting: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._full = False
        self._thread = threading.Thread(target=self._run, name="opentelemetry-spans", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, spans: Sequence[ReadableSpan]) -> None:
        """From any thread. Never waits and never fails: where there is no room the spans are lost."""
        if self._closing or len(self._waiting) + len(spans) > self._room:
            self._lose(len(spans))
            return
        self._waiting.extend(spans)
        if len(self._waiting) >= BATCH:
            self._wake.set()

    def flush(self) -> None:
        """Deliver soon what waits."""
        self._wake.set()

    def close(self, seconds: float) -> None:
        """Deliver what waits, for so long at most. The thread may still hang in a delivery: it is a daemon."""
        self._closing = True
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._delay)
            self._wake.clear()
            self._send()

    def _send(self) -> None:
        """Until there is nothing left, or a batch fails: what waits then is tried again later."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            trouble = self._tried(batch)
            if trouble is None:
                self.delivered += len(batch)
            else:
                self.lost += len(batch)
            self._note(trouble)
            if trouble is not None:
                return

    def _tried(self, batch: Sequence[ReadableSpan]) -> str | None:
        try:
            return self._deliver(batch)
        except Exception as error:
            return type(error).__name__

    def _note(self, trouble: str | None) -> None:
        if trouble is not None and self.trouble is None:
            logger.warning("the collector takes no spans (%s); they are lost until it does", trouble)
        elif trouble is None and self.trouble is not None:
            logger.warning("the collector takes spans again; %d were lost so far", self.lost)
        if trouble is None:
            self._full = False
        self.trouble = trouble

    def _lose(self, count: int) -> None:
        self.lost += count
        if not self._full and not self._closing:
            self._full = True
            logger.warning("%d spans wait for the collector already; further ones are lost", self._room)
