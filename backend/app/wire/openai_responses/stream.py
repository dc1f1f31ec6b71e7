"""Streamed answers, read: https://platform.openai.com/docs/api-reference/responses-streaming

The writer is in stream_encoder.py. Texts, thinking and arguments come as they are told. An item that came without
deltas is told whole at its end; one that is no message, call or reasoning is left out.
"""

from collections.abc import Callable
from typing import Any

from app.domain.chat import Part, ReasoningPart, RefusalPart, TextPart, ToolCall
from app.domain.errors import ProviderProtocolError
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
from app.wire.fields import AnswerFields
from app.wire.json_text import parse_answer
from app.wire.openai_responses import FORMAT
from app.wire.openai_responses.failure import raise_failure
from app.wire.openai_responses.items import ITEM
from app.wire.openai_responses.output import decode_item, strip, take_logprobs
from app.wire.openai_responses.response import decode_response, take_identity
from app.wire.openai_responses.stream_encoder import StreamEncoder
from app.wire.sse import SSEDecoder, SSEEvent

__all__ = ["StreamDecoder", "StreamEncoder"]

Events = list[ChatEvent]


class StreamDecoder:
    def __init__(self, provider: str | None = None) -> None:
        self._provider = provider
        self._frames = SSEDecoder()
        self._started = False
        self._done = False
        self._calls: dict[int, int] = {}
        self._told: set[int] = set()
        self._opening: dict[int, dict[str, Any]] = {}
        self._readers: dict[str, Callable[[AnswerFields, Events], None]] = {
            "response.created": self._begin,
            "response.output_item.added": self._item_begins,
            "response.output_text.delta": self._text,
            "response.refusal.delta": self._refusal,
            "response.reasoning_text.delta": self._thought,
            "response.reasoning_summary_part.added": self._paragraph,
            "response.reasoning_summary_text.delta": self._thought,
            "response.function_call_arguments.delta": self._arguments,
            "response.content_part.done": self._part_ends,
            "response.output_item.done": self._item_ends,
            "response.completed": self._end,
            "response.incomplete": self._end,
            "response.failed": self._fail,
            "error": self._fail,
        }

    def feed(self, chunk: bytes) -> Events:
        """Raises ProviderProtocolError, or the error that the stream tells."""
        events: Events = []
        for frame in self._frames.feed(chunk):
            self._read(frame, events)
        return events

    def close(self) -> Events:
        """To be called when the bytes have ended. Raises ProviderProtocolError if they ended too early."""
        events: Events = []
        for frame in self._frames.close():
            self._read(frame, events)
        if not self._done:
            name = self._provider or "The provider"
            raise ProviderProtocolError(f"{name} broke off its answer.", provider=self._provider)
        return events

    def _read(self, frame: SSEEvent, events: Events) -> None:
        if self._done or frame.data == b"[DONE]":
            return
        fields = AnswerFields(parse_answer(frame.data, self._provider))
        read = self._readers.get(fields.text("type") or frame.event)
        if read is not None:
            read(fields, events)

    def _begin(self, fields: AnswerFields, events: Events) -> None:
        if not self._started:
            self._started = True
            id, model, created = take_identity(_inner(fields, "response"))
            events.append(Started(id=id, model=model, created=created))

    def _end(self, fields: AnswerFields, events: Events) -> None:
        """The whole response stands here again: what was told already is not told twice."""
        whole = decode_response(_inner(fields, "response"))
        if not self._started:
            raise ProviderProtocolError(
                "The provider ended an answer that it never began.", provider=self._provider
            )
        kept = whole.extensions.get(FORMAT)
        extensions = {FORMAT: {"result": kept}} if kept else {}
        events.append(Finished(reason=whole.choices[0].finish_reason or "stop", extensions=extensions))
        if whole.usage is not None:
            events.append(UsageReported(usage=whole.usage))
        self._done = True

    def _fail(self, fields: AnswerFields, events: Events) -> None:
        raise_failure({"type": "error", **fields.rest}, self._provider)

    def _item_begins(self, fields: AnswerFields, events: Events) -> None:
        item, place = _inner(fields, "item"), _place(fields)
        kept = {name: value for name, value in item.rest.items() if value is not None}
        match kept.pop("type", None):
            case "function_call":
                for name in ("call_id", "name", "arguments", "status"):
                    kept.pop(name, None)
                self._call(place, item.required_text("call_id"), item.required_text("name"), kept, events)
            case "message":
                strip(kept)
                kept.pop("content", None)
                self._opening[place] = {ITEM: kept}
            case "reasoning":
                for name in ("summary", "content", "encrypted_content", "status"):
                    kept.pop(name, None)
                self._opening[place] = kept

    def _call(self, place: int, id: str, name: str, kept: dict[str, Any], events: Events) -> None:
        self._calls[place] = index = len(self._calls)
        events.append(ToolCallStarted(index=index, id=id, name=name, extensions=_part(kept)))

    def _kept(self, fields: AnswerFields) -> dict[str, dict[str, Any]]:
        """What the item alone knows, for the first of its deltas."""
        place = _place(fields)
        self._told.add(place)
        return _part(self._opening.pop(place, {}))

    def _text(self, fields: AnswerFields, events: Events) -> None:
        tokens = tuple(take_logprobs(fields.rest, ""))
        text = fields.text("delta") or ""
        events.append(TextDelta(text=text, logprobs=tokens, extensions=self._kept(fields)))

    def _refusal(self, fields: AnswerFields, events: Events) -> None:
        events.append(RefusalDelta(text=fields.text("delta") or "", extensions=self._kept(fields)))

    def _thought(self, fields: AnswerFields, events: Events) -> None:
        events.append(ReasoningDelta(text=fields.text("delta") or "", extensions=self._kept(fields)))

    def _paragraph(self, fields: AnswerFields, events: Events) -> None:
        """Each part of a summary is one."""
        if fields.count("summary_index", 0) > 0:
            events.append(ReasoningDelta(text="\n\n", extensions=self._kept(fields)))

    def _arguments(self, fields: AnswerFields, events: Events) -> None:
        place = _place(fields)
        if place not in self._calls:
            raise fields.wrong("output_index", "the place of a call that has begun")
        self._told.add(place)
        events.append(ToolCallDelta(index=self._calls[place], arguments=fields.text("delta") or ""))

    def _part_ends(self, fields: AnswerFields, events: Events) -> None:
        """A text's annotations, for one, are whole only now."""
        part = dict(_inner(fields, "part").rest)
        kind = part.pop("type", None)
        kept = {
            name: value
            for name, value in part.items()
            if name not in ("text", "refusal", "logprobs") and value not in (None, [])
        }
        if kept and kind in ("output_text", "refusal"):
            delta = TextDelta if kind == "output_text" else RefusalDelta
            events.append(delta(text="", extensions=_part(kept)))

    def _item_ends(self, fields: AnswerFields, events: Events) -> None:
        place = _place(fields)
        parts, logprobs = decode_item(_inner(fields, "item"))
        told = place in self._told
        if logprobs and not told:
            events.append(TextDelta(text="", logprobs=tuple(logprobs)))
        for part in parts:
            self._tell(part, place, told, events)

    def _tell(self, part: Part, place: int, told: bool, events: Events) -> None:
        """All of `part`, or what its deltas did not tell."""
        match part:
            case ReasoningPart():
                text = "" if told else part.text
                events.append(ReasoningDelta(text=text, signature=part.signature, extensions=_of(part)))
            case ToolCall():
                if place not in self._calls:
                    self._call(place, part.id, part.name, part.extensions.get(FORMAT, {}), events)
                if part.arguments and not told:
                    events.append(ToolCallDelta(index=self._calls[place], arguments=part.arguments))
            case TextPart() if not told:
                events.append(TextDelta(text=part.text, extensions=_of(part)))
            case RefusalPart() if not told:
                events.append(RefusalDelta(text=part.text, extensions=_of(part)))


def _inner(fields: AnswerFields, name: str) -> AnswerFields:
    inner = fields.child(name)
    if inner is None:
        raise fields.wrong(name, "an object")
    return inner


def _place(fields: AnswerFields) -> int:
    return fields.count("output_index", 0)


def _of(part: Part) -> dict[str, dict[str, Any]]:
    return _part(part.extensions.get(FORMAT, {}))


def _part(kept: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {FORMAT: {"part": kept}} if kept else {}
