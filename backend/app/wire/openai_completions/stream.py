"""Streamed text completions, read and written."""

from collections.abc import Iterator
from typing import Any, assert_never

import msgspec

from app.domain.errors import UnsupportedFeature
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
from app.wire.fields import AnswerFields, merge
from app.wire.openai_chat.plain_chunk import PlainDecoder, TextChunks
from app.wire.openai_chat.stream import FrameDecoder, attach
from app.wire.openai_chat.stream_encoder import ChunkEncoder
from app.wire.openai_completions import FORMAT
from app.wire.openai_completions.logprobs import encode_logprobs, take_logprobs
from app.wire.openai_completions.response import encode_reason


class StreamDecoder(FrameDecoder):
    """Bytes of a streamed text completion, cut anywhere, as events."""

    format = FORMAT
    plain: PlainDecoder | None = TextChunks

    def choice_events(self, fields: AnswerFields, index: int) -> Iterator[ChatEvent]:
        text, logprobs = fields.text("text") or "", take_logprobs(fields)
        finished = self.finish(fields, index)
        left = fields.left()
        events: list[ChatEvent] = []
        if text or logprobs or (left and not finished):
            events.append(TextDelta(text=text, choice=index, logprobs=logprobs))
        if finished:
            events.append(finished)
        if left:
            events[0] = attach(events[0], FORMAT, {"choice": left})
        return iter(events)


class StreamEncoder(ChunkEncoder):
    """Events as the frames of a streamed text completion."""

    format = FORMAT
    object = "text_completion"

    def __init__(self, include_usage: bool) -> None:
        super().__init__(include_usage)
        self._early: dict[str, Any] = {}

    def encode(self, event: ChatEvent) -> bytes:
        """One frame, or b"" for an event that this format has nothing to say about.

        Raises UnsupportedFeature for anything but text; thinking is left out.
        """
        match event:
            case TextDelta():
                return self._text(event)
            case Finished():
                kept = event.extensions.get(FORMAT, {}).get("choice", {})
                known: dict[str, Any] = {
                    "text": "",
                    "index": event.choice,
                    "logprobs": None,
                    "finish_reason": encode_reason(event.reason, kept),
                }
                if event.stop_sequence is not None:
                    known["stop_reason"] = event.stop_sequence
                return self._choice(event, known)
            case UsageReported():
                return self.usage(event)
            case Started():
                self.begin(event)
                self._early = event.extensions.get(FORMAT, {}).get("result", {})
                return b""
            case ReasoningDelta():
                return b""
            case RefusalDelta() | ToolCallStarted() | ToolCallDelta():
                raise UnsupportedFeature("A text completion can hold nothing but text.")
            case _:
                assert_never(event)

    def _text(self, event: TextDelta) -> bytes:
        if not (event.text or event.logprobs or event.extensions):
            return b""
        known = {
            "text": event.text,
            "index": event.choice,
            "logprobs": encode_logprobs(event.logprobs),
            "finish_reason": None,
        }
        return self._choice(event, known)

    def _choice(self, event: TextDelta | Finished, known: dict[str, Any]) -> bytes:
        kept = event.extensions.get(FORMAT, {})
        early, self._early = self._early, {}
        choice = msgspec.json.encode([merge(known, kept.get("choice"))])
        return self.chunk(choice, {**early, **kept.get("result", {})})
