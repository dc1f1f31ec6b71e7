"""The content blocks of a streamed answer as they are written: one open at a time, numbered from 0.

Events of several tool calls may alternate, blocks may not. The first call is written as it comes; a later one
waits until the arguments of the one before are a whole JSON object, or until something else follows.
"""

from typing import Any

import msgspec

from app.domain.errors import ProviderProtocolError
from app.domain.events import ToolCallDelta, ToolCallStarted
from app.wire.anthropic_messages import FORMAT
from app.wire.fields import merge

_encode = msgspec.json.Encoder().encode
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b}}\n\n'
_TEXT = _DELTA.replace(b"%b", b'{"type":"text_delta","text":%b')
_BEGINNINGS: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}


def frame(event: str, value: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), _encode({"type": event, **value}))


class BlockWriter:
    """Every method returns the frames that it causes, maybe none."""

    def __init__(self) -> None:
        self._index = -1
        self._open: str | None = None
        self._current: int | None = None
        self._written: list[str] = []
        self._waiting: dict[int, tuple[ToolCallStarted, list[str]]] = {}
        self.called = False

    def text(self, text: str) -> bytes:
        begun = b"" if self._open == "text" else self._enter("text")
        return begun + _TEXT % (self._index, _encode(text))

    def thinking(self, text: str) -> bytes:
        return self._enter("thinking") + self._delta(b'{"type":"thinking_delta","thinking":%b' % _encode(text))

    def signature(self, signature: str) -> bytes:
        """Ends the thinking."""
        out = self._enter("thinking")
        return out + self._delta(b'{"type":"signature_delta","signature":%b' % _encode(signature)) + self._stop()

    def citations(self, citations: list[Any]) -> bytes:
        deltas = (self._delta(b'{"type":"citations_delta","citation":%b' % _encode(each)) for each in citations)
        return b"".join(deltas) if self._open == "text" else b""

    def whole(self, block: dict[str, Any]) -> bytes:
        """A block that comes in one piece."""
        return self.end() + self._start("whole", block) + self._stop()

    def call(self, event: ToolCallStarted) -> bytes:
        self.called = True
        if self._current is not None and not self._complete():
            self._waiting[event.index] = (event, [])
            return b""
        return self.end() + self._begin(event)

    def arguments(self, event: ToolCallDelta) -> bytes:
        """Raises ProviderProtocolError for a call that has not begun or that something else has followed."""
        if event.index in self._waiting:
            self._waiting[event.index][1].append(event.arguments)
            return b""
        if event.index != self._current:
            raise ProviderProtocolError("The provider sent arguments for a tool call that was not under way.")
        out = self._argue(event.arguments)
        while self._waiting and self._complete():
            out += self._advance()
        return out

    def end(self) -> bytes:
        """Close what is open; write what waits."""
        out = self._stop()
        while self._waiting:
            out += self._advance() + self._stop()
        return out

    def _enter(self, kind: str) -> bytes:
        return b"" if self._open == kind else self.end() + self._start(kind, _BEGINNINGS[kind])

    def _start(self, kind: str, block: dict[str, Any]) -> bytes:
        """A ping follows the first one, as in Anthropic's own streams."""
        self._index += 1
        self._open = kind
        started = frame("content_block_start", {"index": self._index, "content_block": block})
        return started if self._index else started + PING

    def _delta(self, fields: bytes) -> bytes:
        return _DELTA % (max(self._index, 0), fields)

    def _stop(self) -> bytes:
        if self._open is None:
            return b""
        self._open = self._current = None
        return frame("content_block_stop", {"index": self._index})

    def _begin(self, event: ToolCallStarted) -> bytes:
        kept = event.extensions.get(FORMAT, {}).get("part")
        block = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
        started = self._start("tool_use", merge(block, kept))
        self._current, self._written = event.index, []
        return started

    def _argue(self, piece: str) -> bytes:
        self._written.append(piece)
        return self._delta(b'{"type":"input_json_delta","partial_json":%b' % _encode(piece))

    def _complete(self) -> bool:
        try:
            return isinstance(msgspec.json.decode("".join(self._written)), dict)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return False

    def _advance(self) -> bytes:
        index = next(iter(self._waiting))
        event, pieces = self._waiting.pop(index)
        started = self._stop() + self._begin(event)
        return started + (self._argue("".join(pieces)) if pieces else b"")
