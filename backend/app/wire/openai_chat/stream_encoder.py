"""Streamed answers, written. The reader is in stream.py."""

from typing import Any, assert_never

import msgspec

from app.domain.chat import TokenLogprob
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
from app.wire.fields import merge
from app.wire.openai_chat import FORMAT
from app.wire.openai_chat.errors import error_object
from app.wire.openai_chat.finish import encode_finish
from app.wire.openai_chat.logprobs import encode_logprobs
from app.wire.openai_chat.messages import REASONING_FIELDS
from app.wire.openai_chat.usage import encode_usage

_encode = msgspec.json.Encoder().encode
_PIECE = b'%b[{"index":%d,"delta":{"content":%b},"logprobs":null,"finish_reason":null}]%b'
# Stands on every chunk, where the answer has it.
_ON_EVERY_CHUNK = ("system_fingerprint", "service_tier")


class ChunkEncoder:
    """What the streams of the chat and the text format have in common: the chunk around the choices.

    With `include_usage`, every chunk has a usage, null but for the last.
    """

    format: str
    object: str

    def __init__(self, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._fields: dict[str, Any] = {}
        self._head = b""
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self.begin(Started(id="", model="", created=0))

    def end(self) -> bytes:
        return b"data: [DONE]\n\n"

    def error(self, error: PlatformError) -> bytes:
        """The frame that ends a stream which failed; no [DONE] follows it."""
        return b"data: " + _encode(error_object(error)) + b"\n\n"

    def begin(self, event: Started) -> None:
        self._fields = {"id": event.id, "object": self.object, "created": event.created, "model": event.model}
        self._repeat(event.extensions.get(self.format, {}).get("result", {}))

    def _repeat(self, result: dict[str, Any]) -> None:
        self._fields.update({name: result[name] for name in _ON_EVERY_CHUNK if name in result})
        self._head = b"data: " + _encode(self._fields)[:-1] + b',"choices":'

    def chunk(self, choices: bytes, result: dict[str, Any] | None = None) -> bytes:
        """A frame. `result`: further fields of the chunk."""
        further = self._further(result) if result else b""
        return self._head + choices + further + self._tail

    def _further(self, result: dict[str, Any]) -> bytes:
        if any(name in result and result[name] != self._fields.get(name) for name in _ON_EVERY_CHUNK):
            self._repeat(result)
        once = {name: value for name, value in result.items() if name not in _ON_EVERY_CHUNK}
        return b"," + _encode(once)[1:-1] if once else b""

    def usage(self, event: UsageReported) -> bytes:
        result = event.extensions.get(self.format, {}).get("result", {})
        if not self._include_usage:
            return self.chunk(b"[]", result) if result else b""
        further = self._further(result)
        usage = _encode(encode_usage(event.usage, self.format))
        return self._head + b'[],"usage":' + usage + further + b"}\n\n"


class StreamEncoder(ChunkEncoder):
    """Events as the frames of a streamed chat completion."""

    format = FORMAT
    object = "chat.completion.chunk"

    def __init__(self, include_usage: bool) -> None:
        super().__init__(include_usage)
        self._greeted: set[int] = set()
        self._legacy: set[tuple[int, int]] = set()

    def encode(self, event: ChatEvent) -> bytes:
        """One frame, or b"" for an event that this format has nothing to say about."""
        if type(event) is TextDelta:
            return self._text(event)
        match event:
            case TextDelta():
                return self._text(event)
            case ReasoningDelta() | RefusalDelta() | ToolCallStarted() | ToolCallDelta():
                return self._delta(event, self._delta_of(event))
            case Finished():
                kept = event.extensions.get(FORMAT, {}).get("choice", {})
                return self._delta(event, {}, finish_reason=encode_finish(event.reason, kept))
            case UsageReported():
                return self.usage(event)
            case Started():
                return self._start(event)
            case _:
                assert_never(event)

    def _delta_of(self, event: ReasoningDelta | RefusalDelta | ToolCallStarted | ToolCallDelta) -> dict[str, Any]:
        match event:
            case ReasoningDelta():
                return dict.fromkeys(_part(event) or REASONING_FIELDS[:1], event.text) if event.text else {}
            case RefusalDelta():
                return {"refusal": event.text}
            case ToolCallStarted():
                return self._call(event)
            case ToolCallDelta():
                return self._arguments(event)
            case _:
                assert_never(event)

    def _start(self, event: Started) -> bytes:
        self.begin(event)
        self._greeted.add(0)
        choices = b'[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]'
        return self.chunk(choices, event.extensions.get(FORMAT, {}).get("result"))

    def _text(self, event: TextDelta) -> bytes:
        choice, text = event.choice, event.text
        if event.extensions or event.logprobs or choice not in self._greeted:
            delta = {"content": text} if text or event.logprobs else {}
            return self._delta(event, delta, event.logprobs)
        return _PIECE % (self._head, choice, _encode(text), self._tail) if text else b""

    def _delta(
        self,
        event: TextDelta | ReasoningDelta | RefusalDelta | ToolCallStarted | ToolCallDelta | Finished,
        delta: dict[str, Any],
        logprobs: tuple[TokenLogprob, ...] = (),
        finish_reason: str | None = None,
    ) -> bytes:
        kept = event.extensions.get(FORMAT, {})
        merge(delta, kept.get("message"))
        result = kept.get("result")
        if not (delta or logprobs or finish_reason or result or kept.get("choice")):
            return b""
        if event.choice not in self._greeted:
            self._greeted.add(event.choice)
            delta = {"role": "assistant", **delta}
        choice = {
            "index": event.choice,
            "delta": delta,
            "logprobs": encode_logprobs(logprobs),
            "finish_reason": finish_reason,
        }
        if isinstance(event, Finished) and event.stop_sequence is not None:
            choice["stop_reason"] = event.stop_sequence
        if choice["logprobs"] is None and "logprobs" in kept.get("choice", {}):
            del choice["logprobs"]
        return self.chunk(_encode([merge(choice, kept.get("choice"))]), result)

    def _call(self, event: ToolCallStarted) -> dict[str, Any]:
        kept = _part(event)
        if "function_call" in kept:
            self._legacy.add((event.choice, event.index))
            return {"function_call": {"name": event.name, "arguments": ""}}
        function = {"name": event.name, "arguments": ""}
        kind = kept.get("type", "function")
        call = {"index": event.index, "id": event.id, "type": kind, "function": function}
        return {"tool_calls": [merge(call, kept)]}

    def _arguments(self, event: ToolCallDelta) -> dict[str, Any]:
        if (event.choice, event.index) in self._legacy:
            return {"function_call": {"arguments": event.arguments}}
        call = {"index": event.index, "function": {"arguments": event.arguments}}
        return {"tool_calls": [merge(call, _part(event))]}


def _part(event: ReasoningDelta | ToolCallStarted | ToolCallDelta) -> dict[str, Any]:
    kept: dict[str, Any] = event.extensions.get(FORMAT, {}).get("part", {})
    return kept
