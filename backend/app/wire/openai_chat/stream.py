"""Streamed answers, read: https://platform.openai.com/docs/api-reference/chat/streaming

The writer is in stream_encoder.py. Fields that the domain has no place for travel in the events' extensions, under
`result` (the chunk's own), `choice`, `message` (the delta's) and `part` (a tool call's).
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from app.domain.chat import TextPart
from app.domain.errors import ProviderProtocolError
from app.domain.events import (
    ChatEvent,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    UsageReported,
)
from app.domain.usage import Usage
from app.wire.fields import AnswerFields
from app.wire.json_text import parse_answer
from app.wire.openai_chat import FORMAT
from app.wire.openai_chat.finish import decode_finish
from app.wire.openai_chat.logprobs import take_logprobs
from app.wire.openai_chat.messages import take_reasoning
from app.wire.openai_chat.parts import read_content
from app.wire.openai_chat.plain_chunk import ChatChunks, PlainDecoder
from app.wire.openai_chat.response import take_identity, take_stop_sequence, take_usage
from app.wire.openai_chat.stream_calls import StreamedCalls
from app.wire.openai_chat.stream_encoder import StreamEncoder
from app.wire.openai_chat.upstream_errors import raise_error_object
from app.wire.sse import SSEDecoder, SSEEvent

__all__ = ["FrameDecoder", "StreamDecoder", "StreamEncoder", "attach"]

_SPOKEN = ("role", "content", "refusal", "reasoning_content", "reasoning", "tool_calls")
_NEW = object()


def attach(event: ChatEvent, format: str, kept: dict[str, dict[str, Any]]) -> ChatEvent:
    """`event` with `kept` (level → fields) added to what it has."""
    mine = event.extensions.get(format, {})
    both = {level: {**mine.get(level, {}), **kept.get(level, {})} for level in (*mine, *kept)}
    return msgspec.structs.replace(event, extensions={**event.extensions, format: both})


class FrameDecoder:
    """What the streams of the chat and the text format have in common: the chunk around the choices."""

    format: str
    plain: PlainDecoder | None

    def __init__(self, provider: str | None = None) -> None:
        self._provider = provider
        self._frames = SSEDecoder()
        self._id: str | None = None
        self._seen: dict[str, Any] = {}
        self._held: dict[str, Any] = {}
        self._usage: Usage | None = None
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._done = False

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Raises ProviderProtocolError, or the error that the stream tells."""
        events: list[ChatEvent] = []
        for frame in self._frames.feed(chunk):
            self._read(frame, events)
        return events

    def close(self) -> list[ChatEvent]:
        """To be called when the bytes have ended. Raises ProviderProtocolError if they ended too early."""
        events: list[ChatEvent] = []
        for frame in self._frames.close():
            self._read(frame, events)
        if self._id is None or not (self._done or (self._finished and self._open <= self._finished)):
            raise ProviderProtocolError(
                f"{self._provider or 'The provider'} broke off its answer.", provider=self._provider
            )
        self._end(events)
        return events

    def choice_events(self, fields: AnswerFields, index: int) -> Iterator[ChatEvent]:
        """What one choice of a chunk says; to be written by each format."""
        raise NotImplementedError

    def _read(self, frame: SSEEvent, events: list[ChatEvent]) -> None:
        if self._done:
            return
        if frame.data == b"[DONE]":
            self._done = True
            if self._id is not None:
                self._end(events)
            return
        if self._id is not None and not self._held and self._read_plain(frame.data, events):
            return
        value = parse_answer(frame.data, self._provider)
        raise_error_object({"error": value} if frame.event == "error" else value, self._provider)
        self._read_chunk(AnswerFields(value), events)

    def _read_plain(self, data: bytes, events: list[ChatEvent]) -> bool:
        """Whether the chunk was no more than a piece of text, which has then been read."""
        if self.plain is None:
            return False
        try:
            chunk = self.plain.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        mark, tier = chunk.system_fingerprint, chunk.service_tier
        if mark is not None and self._seen.get("system_fingerprint") != mark:
            return False
        if tier is not None and self._seen.get("service_tier") != tier:
            return False
        (choice,) = chunk.choices
        self._open.add(choice.index)
        if text := choice.piece:
            events.append(TextDelta(text=text, choice=choice.index))
        return True

    def _read_chunk(self, fields: AnswerFields, events: list[ChatEvent]) -> None:
        id, model, created = take_identity(fields)
        choices = list(fields.items("choices"))
        fields.rest.pop("choices", None)
        self._usage = take_usage(fields, self.format) or self._usage
        self._hold(fields.left())
        if self._id is None:
            if not (id or choices or self._usage):
                return
            self._id = id
            events.append(self._started(id, model, created))
        for choice in choices:
            index = choice.integer("index") or 0
            self._open.add(index)
            for event in self.choice_events(choice, index):
                events.append(self._release(event) if self._held else event)

    def _started(self, id: str, model: str, created: int) -> ChatEvent:
        event = Started(id=id, model=model, created=created)
        return self._release(event) if self._held else event

    def _hold(self, left: dict[str, Any]) -> None:
        """Keep the chunk's own extra fields, if they are new, for the next event."""
        for name, value in left.items():
            # `obfuscation` only evens out the sizes of chunks.
            if name != "obfuscation" and self._seen.get(name, _NEW) != value:
                self._seen[name] = self._held[name] = value

    def _release(self, event: ChatEvent) -> ChatEvent:
        held, self._held = self._held, {}
        return attach(event, self.format, {"result": held})

    def _end(self, events: list[ChatEvent]) -> None:
        usage, self._usage = self._usage, None
        last: ChatEvent | None = UsageReported(usage=usage) if usage else None
        if self._held:
            last = self._release(last or TextDelta(text=""))
        if last is not None:
            events.append(last)

    def finish(self, fields: AnswerFields, index: int) -> Finished | None:
        """Takes what tells that a choice has ended."""
        word = fields.text("finish_reason")
        stop_sequence = take_stop_sequence(fields)
        if not word or index in self._finished:
            return None
        self._finished.add(index)
        reason, kept = decode_finish(word)
        extensions = {self.format: {"choice": kept}} if kept else {}
        return Finished(reason=reason, choice=index, stop_sequence=stop_sequence, extensions=extensions)


class StreamDecoder(FrameDecoder):
    """Bytes of a streamed chat completion, cut anywhere, as events."""

    format = FORMAT
    plain: PlainDecoder | None = ChatChunks

    def __init__(self, provider: str | None = None) -> None:
        super().__init__(provider)
        self._calls = StreamedCalls()

    def choice_events(self, fields: AnswerFields, index: int) -> Iterator[ChatEvent]:
        delta = fields.child("delta")
        fields_delta = fields.rest.pop("delta", None)
        events: list[ChatEvent] = []
        logprobs = take_logprobs(fields)
        message: dict[str, Any] = {}
        if delta is not None and fields_delta:
            events.extend(self._spoken(delta, index))
            message = _left(delta)
        if logprobs:
            _add_logprobs(events, TextDelta(text="", choice=index, logprobs=logprobs))
        if finished := self.finish(fields, index):
            events.append(finished)
        if kept := _levels(fields.left(), message):
            if not events:
                events.append(TextDelta(text="", choice=index))
            events[0] = attach(events[0], FORMAT, kept)
        return iter(events)

    def _spoken(self, delta: AnswerFields, index: int) -> Iterator[ChatEvent]:
        if reasoning := take_reasoning(delta):
            extensions = {FORMAT: {"part": reasoning[1][FORMAT]}} if reasoning[1] else {}
            yield ReasoningDelta(text=reasoning[0], choice=index, extensions=extensions)
        if delta.rest.get("content"):
            for part in read_content(delta):
                if not isinstance(part, TextPart):
                    raise delta.wrong("content", "text")
                yield TextDelta(text=part.text, choice=index)
        if delta.rest.get("refusal") and (refusal := delta.text("refusal")):
            yield RefusalDelta(text=refusal, choice=index)
        yield from self._calls.read(delta, index, self._id or "")


def _left(delta: AnswerFields) -> dict[str, Any]:
    for name in _SPOKEN:
        if name == "role" or not delta.rest.get(name):
            delta.rest.pop(name, None)
    return delta.left()


def _add_logprobs(events: list[ChatEvent], bare: TextDelta) -> None:
    """To the text that they belong to, or on their own."""
    for at, event in enumerate(events):
        if isinstance(event, TextDelta):
            events[at] = msgspec.structs.replace(event, logprobs=bare.logprobs)
            return
    events.append(bare)


def _levels(choice: dict[str, Any], message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {level: left for level, left in (("choice", choice), ("message", message)) if left}
