"""The items of a streamed answer while they grow: what opens them, what continues them, what closes them.

An event that is written once an item is a pair of its type and its fields; a delta, of which there are many, is a
pair of bytes around which StreamEncoder puts the rest.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from app.domain.chat import ReasoningPart, TokenLogprob, ToolCall
from app.domain.events import ToolCallStarted
from app.wire.openai_responses.items import encode_call, encode_reasoning
from app.wire.openai_responses.output import encode_logprobs, item_id, text_content

Written = tuple[str, dict[str, Any]]

_encode = msgspec.json.Encoder().encode


class OpenItem:
    """`index`: its place in the output. `whole`: the item, once it is closed."""

    kind: str

    def __init__(self, response_id: str, index: int) -> None:
        self.id = item_id(self.kind, response_id, index)
        self.index = index
        self.closed = False
        self.whole: dict[str, Any] = {}
        self._texts: list[str] = []
        self._head = b""

    @property
    def whole_already(self) -> bool:
        """Whether nothing can follow once another item begins."""
        return not self.closed

    def begun(self) -> dict[str, Any]:
        """The item as it opens."""
        return self.shape("in_progress")

    def unfinished(self) -> dict[str, Any]:
        """The item as it is now."""
        return self.whole if self.closed else self.shape("incomplete")

    def close(self, status: str) -> list[Written]:
        """The events before output_item.done."""
        events = self.last_events()
        self.closed, self.whole = True, self.shape(status)
        return events

    def shape(self, status: str) -> dict[str, Any]:
        raise NotImplementedError

    def last_events(self) -> list[Written]:
        return []

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def place(self, **further: Any) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, **further}

    def _prepare(self, type: str, **further: Any) -> None:
        """The beginning of each delta's frame from now on, up to its text."""
        fields = _encode({"type": type, **self.place(**further)})[:-1]
        self._head = b'event: %b\ndata: %b,"delta":' % (type.encode(), fields)


class OpenMessage(OpenItem):
    kind = "message"

    def __init__(self, response_id: str, index: int) -> None:
        super().__init__(response_id, index)
        self._parts: list[dict[str, Any]] = []
        self._refusal = False
        self._logprobs: list[dict[str, Any]] = []

    def begin_part(self, refusal: bool) -> list[Written]:
        """Nothing, while the same kind of part goes on."""
        if self._texts and refusal == self._refusal:
            return []
        events = self._end_part() if self._texts else []
        self._refusal = refusal
        at = len(self._parts)
        self._prepare(f"response.{'refusal' if refusal else 'output_text'}.delta", content_index=at)
        return [*events, ("response.content_part.added", self.place(content_index=at, part=self._part()))]

    def delta_frame(self, text: str, tokens: Sequence[TokenLogprob]) -> tuple[bytes, bytes]:
        self._texts.append(text)
        if self._refusal:
            return self._head, _encode(text)
        logprobs = encode_logprobs(tokens)
        self._logprobs += logprobs
        return self._head, _encode(text) + (b',"logprobs":' + _encode(logprobs) if tokens else b',"logprobs":[]')

    def shape(self, status: str) -> dict[str, Any]:
        parts = [*self._parts, self._part()] if self._texts else list(self._parts)
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": parts}

    def last_events(self) -> list[Written]:
        return self._end_part() if self._texts else []

    def _part(self) -> dict[str, Any]:
        if self._refusal:
            return {"type": "refusal", "refusal": self.text}
        return {**text_content(self.text), "logprobs": list(self._logprobs)}

    def _end_part(self) -> list[Written]:
        part, at = self._part(), self.place(content_index=len(self._parts))
        if self._refusal:
            told: Written = ("response.refusal.done", {**at, "refusal": part["refusal"]})
        else:
            told = ("response.output_text.done", {**at, "text": part["text"], "logprobs": part["logprobs"]})
        self._parts.append(part)
        self._texts, self._logprobs = [], []
        return [told, ("response.content_part.done", {**at, "part": part})]


class OpenReasoning(OpenItem):
    """One part: the thinking itself. `signature` proves it to the provider that wrote it."""

    kind = "reasoning"
    signature: str | None = None

    def begin_part(self) -> list[Written]:
        if self._texts:
            return []
        self._prepare("response.reasoning_text.delta", content_index=0)
        part = {"type": "reasoning_text", "text": ""}
        return [("response.content_part.added", self.place(content_index=0, part=part))]

    def delta_frame(self, text: str) -> tuple[bytes, bytes]:
        self._texts.append(text)
        return self._head, _encode(text)

    def shape(self, status: str) -> dict[str, Any]:
        return {"id": self.id, **encode_reasoning(ReasoningPart(text=self.text, signature=self.signature))}

    def last_events(self) -> list[Written]:
        if not self._texts:
            return []
        at = self.place(content_index=0)
        part = {"type": "reasoning_text", "text": self.text}
        return [
            ("response.reasoning_text.done", {**at, "text": self.text}),
            ("response.content_part.done", {**at, "part": part}),
        ]


class OpenCall(OpenItem):
    kind = "function_call"

    def __init__(self, response_id: str, index: int, started: ToolCallStarted) -> None:
        super().__init__(response_id, index)
        self._call_id, self._name = started.id, started.name
        self._prepare("response.function_call_arguments.delta")

    @property
    def whole_already(self) -> bool:
        """Fragments of several calls may alternate: what reads as an object is whole."""
        if self.closed:
            return False
        try:
            return isinstance(msgspec.json.decode(self.text), dict)
        except msgspec.DecodeError:
            return False

    def delta_frame(self, arguments: str) -> tuple[bytes, bytes]:
        self._texts.append(arguments)
        return self._head, _encode(arguments)

    def shape(self, status: str) -> dict[str, Any]:
        call = ToolCall(id=self._call_id, name=self._name, arguments=self.text)
        return {"id": self.id, "status": status, **encode_call(call)}

    def last_events(self) -> list[Written]:
        return [
            ("response.function_call_arguments.done", self.place(name=self._name, arguments=self.text)),
        ]
