"""Server-sent events: cutting a byte stream into frames, and reading them.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re

import msgspec

from app.domain.errors import ProviderProtocolError

MAX_FRAME_BYTES = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_FRAME_ENDS = (b"\n\n", b"\r\n\r\n")
_PLAIN = re.compile(rb"(?:event: ([^\r\n]*)\r?\n)?data: ([^\r\n]*)\r?\n\r?\n")
"""The frame that nearly all streams consist of."""


class FrameSplitter:
    """Gives the run of complete frames that has come, its bytes untouched, and keeps the rest.

    A frame ends with an empty line; lines end with LF, CRLF or CR. Raises ProviderProtocolError when one frame is
    larger than `limit` bytes.
    """

    __slots__ = ("_limit", "_pending")

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        self._limit = limit
        self._pending = bytearray()

    @property
    def pending(self) -> bytes:
        """The beginning of a frame that is not complete yet."""
        return bytes(self._pending)

    def feed(self, chunk: bytes) -> bytes:
        pending = self._pending
        if not pending and chunk.endswith(_FRAME_ENDS):
            return chunk
        searched = max(0, len(pending) - 2)
        pending += chunk
        end = _last_boundary(pending, searched)
        run = b""
        if end:
            run = bytes(pending[:end])
            del pending[:end]
        if len(pending) > self._limit:
            raise ProviderProtocolError(f"The provider sent a frame of more than {self._limit:,} bytes.")
        return run


def _last_boundary(text: bytearray, start: int) -> int:
    """Where the last complete frame ends, or 0. CRLF CR may still become CRLF CRLF: it is no boundary yet."""
    ends = (
        text.rfind(b"\n\n", start) + 2,
        text.rfind(b"\n\r\n", start) + 3,
        text.rfind(b"\r\r", start) + 2,
    )
    # rfind gives -1 for "not found": then the sum is 1 or 2, less than any real boundary after a field.
    return max(0, *(end for end in ends if end > 2)) if max(ends) > 2 else 0


class SSEEvent(msgspec.Struct, frozen=True, gc=False):
    """`event` is "message" where the stream names none; `id` is the last one that the stream gave."""

    event: str
    data: bytes
    id: str


class SSEDecoder:
    """Frames as events. Comments, and frames without data, are passed over as the standard says."""

    __slots__ = ("_fresh", "_id", "_splitter")

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        self._splitter = FrameSplitter(limit)
        self._fresh = True
        self._id = ""

    @property
    def pending(self) -> bytes:
        """The beginning of a frame that is not complete yet."""
        return self._splitter.pending

    def feed(self, chunk: bytes) -> list[SSEEvent]:
        run = self._splitter.feed(chunk)
        return self._read(run) if run else []

    def close(self) -> list[SSEEvent]:
        """The last frame, where the stream ended before its empty line came."""
        rest = self._splitter.pending
        self._splitter = FrameSplitter()
        return self._read(rest + b"\n\n") if rest else []

    def _read(self, run: bytes) -> list[SSEEvent]:
        if self._fresh:
            self._fresh = False
            run = run.removeprefix(_BOM)
        events: list[SSEEvent] = []
        at = 0
        while found := _PLAIN.match(run, at):
            event, data = found.groups()
            events.append(SSEEvent(event.decode("utf-8", "replace") if event else "message", data, self._id))
            at = found.end()
        if at < len(run):
            self._read_lines(run[at:], events)
        return events

    def _read_lines(self, run: bytes, events: list[SSEEvent]) -> None:
        """Frames of any kind, as the standard has them."""
        lines: list[bytes] = []
        event = ""
        for line in run.splitlines():
            if not line:
                if lines:
                    events.append(SSEEvent(event or "message", b"\n".join(lines), self._id))
                lines, event = [], ""
                continue
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                lines.append(value)
            elif name == b"event":
                event = value.decode("utf-8", "replace")
            elif name == b"id" and b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
