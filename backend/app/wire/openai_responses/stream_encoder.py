"""Streamed answers, written: https://platform.openai.com/docs/api-reference/responses-streaming

Every event has a type, said twice (in the frame and in its JSON), and the next sequence number. Items open and
close one after the other; a call of a tool stays open until its arguments are whole, since calls may alternate.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, assert_never

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
from app.domain.usage import Usage
from app.wire.openai_chat.errors import error_object
from app.wire.openai_responses import FORMAT
from app.wire.openai_responses.response import finished, frame
from app.wire.openai_responses.stream_items import OpenCall, OpenItem, OpenMessage, OpenReasoning

K = TypeVar("K", OpenMessage, OpenReasoning)

_encode = msgspec.json.Encoder().encode
# The format has a closed list of codes for a failed response: these are the ones that can arise here.
_FAILURES = {"rate_limit_exceeded": "rate_limit_exceeded", "insufficient_quota": "rate_limit_exceeded"}


class StreamEncoder:
    """Events as frames. `repeated`: what the answer tells of its request, see echo.py."""

    def __init__(self, repeated: Mapping[str, Any]) -> None:
        self._repeated = repeated
        self._response: dict[str, Any] | None = None
        self._number = 0
        self._items: list[OpenItem] = []
        self._calls: dict[int, OpenCall] = {}
        self._end = Finished(reason="stop")
        self._usage: Usage | None = None

    def encode(self, event: ChatEvent) -> bytes:
        """The frames of one event; b"" where there is nothing to say, as of a second choice."""
        if event.extensions:
            self._keep(event)
        match event:
            case Started():
                return self._start(event)
            case UsageReported():
                self._usage = event.usage
            case _ if event.choice > 0:
                pass
            case Finished():
                self._end = event
            case _:
                return self._grow(event)
        return b""

    def _grow(self, event: TextDelta | RefusalDelta | ReasoningDelta | ToolCallStarted | ToolCallDelta) -> bytes:
        match event:
            case TextDelta() | RefusalDelta():
                return self._said(event)
            case ReasoningDelta():
                return self._thought(event)
            case ToolCallStarted():
                return self._called(event)
            case ToolCallDelta():
                return self._argued(event)
            case _:
                assert_never(event)

    def end(self) -> bytes:
        """Everything that is open is closed, then the whole response."""
        status = "incomplete" if self._end.reason in ("length", "content_filter") else "completed"
        frames = [self._close(item, status if item is self._items[-1] else "completed") for item in self._items]
        output = [item.whole for item in self._items]
        response = finished(self._response or {}, self._end.reason, output, self._usage)
        frames.append(self._frame(f"response.{response['status']}", {"response": response}))
        return b"".join(frames)

    def error(self, error: PlatformError) -> bytes:
        """The frames that end a stream which failed: the failed response, if it had begun, and an error event.

        The event's fields stand there twice: as the format has them, and in the `error` object by which the
        official clients notice that a stream failed.
        """
        told = error_object(error)["error"]
        frames = []
        if self._response is not None:
            output = [item.unfinished() for item in self._items]
            failure = {"code": _FAILURES.get(told["type"] or "", "server_error"), "message": told["message"]}
            response = {**finished(self._response, "error", output, self._usage), "error": failure}
            frames.append(self._frame("response.failed", {"response": response}))
        flat = {name: told[name] for name in ("code", "message", "param")}
        frames.append(self._frame("error", {**flat, "error": told}))
        return b"".join(frames)

    def _start(self, event: Started) -> bytes:
        kept = event.extensions.get(FORMAT, {}).get("result")
        self._response = frame(event.id, event.model, event.created, self._repeated, kept)
        fields = {"response": self._response}
        return self._frame("response.created", fields) + self._frame("response.in_progress", fields)

    def _keep(self, event: ChatEvent) -> None:
        kept = event.extensions.get(FORMAT, {}).get("result")
        if kept and self._response is not None:
            self._response = {**self._response, **kept}

    def _said(self, event: TextDelta | RefusalDelta) -> bytes:
        if not event.text and not _logprobs(event):
            return b""
        item, frames = self._current(OpenMessage)
        opened = item.begin_part(isinstance(event, RefusalDelta))
        frames += b"".join(self._frame(*each) for each in opened)
        head, tail = item.delta_frame(event.text, _logprobs(event))
        return frames + self._numbered(head, tail)

    def _thought(self, event: ReasoningDelta) -> bytes:
        if not event.text and event.signature is None:
            return b""
        item, frames = self._current(OpenReasoning)
        if event.text:
            frames += b"".join(self._frame(*each) for each in item.begin_part())
            frames += self._numbered(*item.delta_frame(event.text))
        if event.signature is not None:
            item.signature = event.signature
            frames += self._close(item, "completed")
        return frames

    def _called(self, event: ToolCallStarted) -> bytes:
        frames = self._settle()
        item = OpenCall(self._id, len(self._items), event)
        self._calls[event.index] = item
        return frames + self._open(item)

    def _argued(self, event: ToolCallDelta) -> bytes:
        item = self._calls.get(event.index)
        if item is None or item.closed or not event.arguments:
            return b""
        return self._numbered(*item.delta_frame(event.arguments))

    @property
    def _id(self) -> str:
        return self._response["id"] if self._response else ""

    def _current(self, kind: type[K]) -> tuple[K, bytes]:
        """The open item of that kind, and the frames that it took to have one."""
        last = self._items[-1] if self._items else None
        if isinstance(last, kind) and not last.closed:
            return last, b""
        frames = self._settle()
        item = kind(self._id, len(self._items))
        return item, frames + self._open(item)

    def _settle(self) -> bytes:
        """Before an item opens: close what can get no more."""
        return b"".join(self._close(item, "completed") for item in self._items if item.whole_already)

    def _open(self, item: OpenItem) -> bytes:
        self._items.append(item)
        return self._frame("response.output_item.added", {"output_index": item.index, "item": item.begun()})

    def _close(self, item: OpenItem, status: str) -> bytes:
        if item.closed:
            return b""
        events = item.close(status)
        done = {"output_index": item.index, "item": item.whole}
        return b"".join(self._frame(*each) for each in events) + self._frame("response.output_item.done", done)

    def _frame(self, type: str, fields: dict[str, Any]) -> bytes:
        number, self._number = self._number, self._number + 1
        data = _encode({"type": type, **fields, "sequence_number": number})
        return b"event: %b\ndata: %b\n\n" % (type.encode(), data)

    def _numbered(self, head: bytes, tail: bytes) -> bytes:
        """A frame whose parts are there but for its number: what nearly all of a stream consists of."""
        number, self._number = self._number, self._number + 1
        return b'%b%b,"sequence_number":%d}\n\n' % (head, tail, number)


def _logprobs(event: TextDelta | RefusalDelta) -> tuple[TokenLogprob, ...]:
    return event.logprobs if isinstance(event, TextDelta) else ()
