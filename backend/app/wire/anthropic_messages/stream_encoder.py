"""Streamed answers, written. The reader is in stream.py, the blocks in block_writer.py."""

from typing import Any, assert_never

from app.domain.errors import PlatformError
from app.domain.events import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage
from app.wire.anthropic_messages import FORMAT, errors
from app.wire.anthropic_messages.block_writer import BlockWriter, frame
from app.wire.anthropic_messages.finish import encode_stop
from app.wire.anthropic_messages.ids import message_id
from app.wire.anthropic_messages.usage import encode_usage
from app.wire.fields import merge

_Said = TextDelta | ReasoningDelta | RefusalDelta | ToolCallStarted | ToolCallDelta | Finished


class StreamEncoder:
    """Events as the frames of a streamed message: message_start, then each block's start, deltas and stop, then
    message_delta and message_stop.

    What was used is known at the end only, so message_start says 0 and message_delta the totals, which replace it.
    There is one answer: events of further choices are passed over.
    """

    def __init__(self) -> None:
        self._blocks = BlockWriter()
        self._finished: Finished | None = None
        self._usage = Usage()
        self._refused = False
        self._result: dict[str, Any] = {}

    def encode(self, event: ChatEvent) -> bytes:
        """The frames that `event` causes, maybe none. Raises what encode_stop and BlockWriter raise."""
        if type(event) is TextDelta and not (event.extensions or event.choice):
            return self._blocks.text(event.text) if event.text else b""
        if isinstance(event, Started):
            return self._start(event)
        if isinstance(event, UsageReported):
            self._usage = event.usage
            return b""
        return b"" if event.choice else self._said(event)

    def _said(self, event: _Said) -> bytes:
        match event:
            case TextDelta() | RefusalDelta():
                return self._text(event)
            case ReasoningDelta():
                return self._reasoning(event)
            case ToolCallStarted():
                return self._blocks.call(event)
            case ToolCallDelta():
                return self._blocks.arguments(event) if event.arguments else b""
            case Finished():
                return self._finish(event)
            case _:
                assert_never(event)

    def end(self) -> bytes:
        delta = {**self._stop(), **self._result}
        ended = frame("message_delta", {"delta": delta, "usage": encode_usage(self._usage)})
        return self._blocks.end() + ended + frame("message_stop", {})

    def error(self, error: PlatformError) -> bytes:
        """The event that ends a stream which failed; no message_stop follows it."""
        return errors.frame(error)

    def _start(self, event: Started) -> bytes:
        message: dict[str, Any] = {
            "id": message_id(event.id),
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": encode_usage(Usage()),
        }
        return frame("message_start", {"message": merge(message, _level(event, "result"))})

    def _text(self, event: TextDelta | RefusalDelta) -> bytes:
        self._refused = self._refused or isinstance(event, RefusalDelta)
        out = self._blocks.text(event.text) if event.text else b""
        return out + self._kept(event) if event.extensions else out

    def _kept(self, event: TextDelta | RefusalDelta | Finished) -> bytes:
        """The blocks of unknown kinds, and the citations of the text that is open; see the package's docstring."""
        out = b""
        for entry in _level(event, "message").get("content", []):
            if "type" in entry:
                out += self._blocks.whole({name: value for name, value in entry.items() if name != "index"})
            else:
                out += self._blocks.citations(entry.get("citations", []))
        return out

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        kept = _level(event, "part")
        if kept.get("type") == "redacted_thinking":
            return self._blocks.whole({**kept, "data": event.signature or ""})
        out = self._blocks.thinking(event.text) if event.text else b""
        return out + (self._blocks.signature(event.signature) if event.signature else b"")

    def _finish(self, event: Finished) -> bytes:
        self._finished = event
        self._result.update(_level(event, "result"))
        self._stop()
        return self._kept(event) + self._blocks.end()

    def _stop(self) -> dict[str, Any]:
        last = self._finished
        stop_sequence = last.stop_sequence if last else None
        reason = encode_stop(
            last.reason if last else None,
            stop_sequence,
            _level(last, "choice") if last else {},
            called=self._blocks.called,
            refused=self._refused,
        )
        return {"stop_reason": reason, "stop_sequence": stop_sequence}


def _level(event: ChatEvent, level: str) -> dict[str, Any]:
    kept: dict[str, Any] = event.extensions.get(FORMAT, {}).get(level, {})
    return kept
