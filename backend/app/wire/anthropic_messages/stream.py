"""Streamed answers, read: https://platform.claude.com/docs/en/build-with-claude/streaming

The writer is in stream_encoder.py. Fields that the domain has no place for travel in the events' extensions.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from app.domain.errors import ProviderProtocolError
from app.domain.events import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.wire.anthropic_messages import FORMAT
from app.wire.anthropic_messages.errors import raise_error_object
from app.wire.anthropic_messages.finish import decode_stop
from app.wire.anthropic_messages.plain_event import TextEvents
from app.wire.anthropic_messages.response import take_identity
from app.wire.anthropic_messages.stream_blocks import StreamedBlock
from app.wire.anthropic_messages.stream_encoder import StreamEncoder
from app.wire.anthropic_messages.usage import decode_usage
from app.wire.fields import AnswerFields
from app.wire.json_text import parse_answer
from app.wire.sse import SSEDecoder

__all__ = ["StreamDecoder", "StreamEncoder"]


class StreamDecoder:
    """Bytes of a streamed message, cut anywhere, as events. `created`: see response.decode."""

    def __init__(self, provider: str | None = None, *, created: int = 0) -> None:
        self._provider = provider
        self._created = created
        self._frames = SSEDecoder()
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, StreamedBlock] = {}
        self._calls = 0
        self._begun = False
        self._finished = False
        self._done = False

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Raises ProviderProtocolError, or the error that the stream tells."""
        events: list[ChatEvent] = []
        for frame in self._frames.feed(chunk):
            self._read(frame.data, events)
        return events

    def close(self) -> list[ChatEvent]:
        """To be called when the bytes have ended. Raises ProviderProtocolError if they ended too early."""
        events: list[ChatEvent] = []
        for frame in self._frames.close():
            self._read(frame.data, events)
        if not self._done and not (self._begun and self._finished):
            raise ProviderProtocolError(
                f"{self._provider or 'The provider'} broke off its answer.", provider=self._provider
            )
        events += self._end()
        return events

    def _read(self, data: bytes, events: list[ChatEvent]) -> None:
        if self._done or (self._blocks and b'"text_delta"' in data and self._read_text(data, events)):
            return
        value = parse_answer(data, self._provider)
        raise_error_object(value, self._provider)
        fields = AnswerFields(value)
        reader = _READERS.get(fields.text("type") or "")
        if reader is None:
            return  # A ping, or a kind of event that is newer than this: https://…/streaming#other-events
        if not self._begun and reader is not StreamDecoder._message_start:
            raise ProviderProtocolError("The provider's answer began in its middle.", provider=self._provider)
        events += reader(self, fields)

    def _read_text(self, data: bytes, events: list[ChatEvent]) -> bool:
        """Whether the event was no more than a piece of text, which has then been read."""
        try:
            event = TextEvents.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if event.index not in self._blocks:
            return False
        if text := event.delta.text:
            events.append(TextDelta(text=text))
        return True

    def _message_start(self, fields: AnswerFields) -> Iterator[ChatEvent]:
        if self._begun:
            return
        message = _child(fields, "message")
        id, model = take_identity(message)
        self._add_usage(message)
        for name in ("content", "stop_reason", "stop_sequence"):
            message.rest.pop(name, None)
        self._begun = True
        yield Started(id=id, model=model, created=self._created, extensions=_kept("result", message.left()))

    def _block_start(self, fields: AnswerFields) -> Iterator[ChatEvent]:
        index = fields.count("index", 0)
        block = self._blocks[index] = StreamedBlock(index, _child(fields, "content_block"))
        if block.kind == "text" and block.text:
            yield TextDelta(text=block.text)
        elif block.kind == "thinking" and block.text:
            yield ReasoningDelta(text=block.text)
        elif block.kind == "redacted_thinking":
            yield ReasoningDelta(
                text="", signature=block.signature, extensions=_kept("part", {"type": block.kind, **block.rest})
            )
        elif block.kind == "tool_use":
            block.call, self._calls = self._calls, self._calls + 1
            yield ToolCallStarted(
                index=block.call, id=block.id, name=block.name, extensions=_kept("part", block.rest)
            )

    def _block_delta(self, fields: AnswerFields) -> Iterator[ChatEvent]:
        block, delta = self._block(fields), _child(fields, "delta")
        kind = delta.rest.get("type")
        if kind == "text_delta" and (text := delta.required_text("text")):
            yield TextDelta(text=text)
        elif kind == "thinking_delta" and (thinking := delta.required_text("thinking")):
            yield ReasoningDelta(text=thinking)
        elif kind == "signature_delta":
            block.signature = delta.required_text("signature")
        elif kind == "citations_delta" and delta.rest.get("citation"):
            block.rest.setdefault("citations", []).append(delta.object("citation"))
        elif kind == "input_json_delta" and (piece := delta.required_text("partial_json")):
            block.arguments.append(piece)
            if block.call is not None:
                yield ToolCallDelta(index=block.call, arguments=piece)

    def _block_stop(self, fields: AnswerFields) -> Iterator[ChatEvent]:
        """A block's end is where its signature stands, and where a block of unknown kind is whole."""
        block = self._block(fields)
        del self._blocks[block.index]
        if block.call is not None and not block.arguments:
            yield ToolCallDelta(index=block.call, arguments=block.input_text())
        elif block.kind == "thinking" and block.signature:
            yield ReasoningDelta(text="", signature=block.signature, extensions=_kept("part", block.rest))
        elif block.entry():
            yield TextDelta(text="", extensions=_kept("message", {"content": [block.entry()]}))

    def _message_delta(self, fields: AnswerFields) -> Iterator[ChatEvent]:
        self._add_usage(fields)
        delta = _child(fields, "delta")
        word, stop_sequence = delta.text("stop_reason"), delta.text("stop_sequence")
        if not word or self._finished:
            return
        self._finished = True
        reason, kept = decode_stop(word, stop_sequence)
        levels = {level: left for level, left in (("choice", kept), ("result", delta.left())) if left}
        extensions = {FORMAT: levels} if levels else {}
        yield Finished(reason=reason, stop_sequence=stop_sequence, extensions=extensions)

    def _message_stop(self, fields: AnswerFields) -> Iterator[ChatEvent]:
        self._done = True
        return self._end()

    def _end(self) -> Iterator[ChatEvent]:
        counts, self._usage = self._usage, {}
        if counts:
            yield UsageReported(usage=decode_usage(AnswerFields(counts)))

    def _block(self, fields: AnswerFields) -> StreamedBlock:
        block = self._blocks.get(fields.count("index", 0))
        if block is None:
            raise fields.wrong("index", "the index of a block that has begun")
        return block

    def _add_usage(self, fields: AnswerFields) -> None:
        """Later counts are totals that replace earlier ones."""
        usage = fields.child("usage")
        if usage is not None:
            self._usage.update(usage.left())
        fields.rest.pop("usage", None)


_READERS: dict[str, Callable[[StreamDecoder, AnswerFields], Iterator[ChatEvent]]] = {
    "message_start": StreamDecoder._message_start,
    "content_block_start": StreamDecoder._block_start,
    "content_block_delta": StreamDecoder._block_delta,
    "content_block_stop": StreamDecoder._block_stop,
    "message_delta": StreamDecoder._message_delta,
    "message_stop": StreamDecoder._message_stop,
}


def _child(fields: AnswerFields, name: str) -> AnswerFields:
    child = fields.child(name)
    if child is None:
        raise fields.wrong(name, "an object")
    return child


def _kept(level: str, left: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {FORMAT: {level: left}} if left else {}
