"""A server-sent-events answer that is never silent for long."""

import asyncio

from starlette.types import Send

from app.api.lane import Lane, SlowLane

_LINES = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
COMMENT = b": keep-alive\n\n"


class EventStreamResponse:
    """Starts with the first write, or with a comment when nothing was written for `comment_seconds`.

    `early_lines`: of its head, where a comment is what starts it.

    `comment` is the frame to write then, of a kind that readers of the stream pass over.

    Once it has started the status is 200 and can't change: later errors travel as events.
    """

    def __init__(
        self,
        send: Send,
        comment_seconds: float,
        early_lines: bytes,
        comment: bytes = COMMENT,
        lane: Lane | None = None,
    ) -> None:
        self._lane = lane or SlowLane(send)
        self._interval = comment_seconds
        self._early_lines = early_lines
        self._silence = comment
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer = self._loop.call_later(comment_seconds, self._look)
        self._comment: asyncio.Task[None] | None = None
        self._remark: bytes | None = None
        self.started = False

    async def start(self, lines: bytes) -> None:
        if not self.started:
            self.started = True
            await self._lane.begin(200, _LINES + lines)

    async def write(self, frames: bytes) -> None:
        self._last = self._loop.time()
        await self._lane.write(frames)

    async def finish(self, frames: bytes = b"") -> None:
        self._timer.cancel()
        if self._comment is not None and not self._comment.done():
            await self._comment  # it may hold the response's head
        await self._lane.end(frames)

    def remark(self, text: str) -> None:
        """Write a comment now. Starts the answer if need be."""
        self._remark = b": %b\n\n" % text.encode()
        if self._comment is None or self._comment.done():
            self._comment = self._loop.create_task(self._write_comment())

    def close(self) -> None:
        """Stop the comments; to be called however the answer ends."""
        self._timer.cancel()
        if self._comment is not None:
            self._comment.cancel()

    def _look(self) -> None:
        silent = self._loop.time() - self._last
        if silent >= self._interval and (self._comment is None or self._comment.done()):
            self._comment = self._loop.create_task(self._write_comment())
            silent = 0.0
        self._timer = self._loop.call_later(max(self._interval - silent, 0.01), self._look)

    async def _write_comment(self) -> None:
        await self.start(self._early_lines)
        frame, self._remark = self._remark or self._silence, None
        await self.write(frame)
