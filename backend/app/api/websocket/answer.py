"""One answer as frames: deltas, tool calls, and exactly one `done` at the end unless it failed."""

import asyncio
import contextlib
from typing import Any, assert_never

import msgspec

from app.api.standings import told
from app.api.websocket.frames import CallId
from app.api.websocket.history import Kept
from app.api.websocket.outbox import ClientGone, Outbox
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import InternalError
from app.domain.events import (
    Finished,
    Opaque,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from app.domain.usage import Usage
from app.inference.call import Call
from app.wire.openai_chat import FORMAT
from app.wire.openai_chat.logprobs import encode_logprobs
from app.wire.openai_chat.usage import encode_usage

_encode = msgspec.json.Encoder().encode


class Answer:
    def __init__(self, id: CallId, call: Call, outbox: Outbox) -> None:
        self._id = id
        self._call = call
        self._outbox = outbox
        self._delta = b'{"id":%b,"type":"delta","message":' % _encode(id)
        self._model: str | None = None
        self._reasons: dict[int, str] = {}
        self._usage: Usage | None = None
        self._notice: asyncio.Future[None] | None = None

    def queued(self, ahead: int) -> None:
        """The call has to wait for a place, and so many are before it."""
        self._notice = asyncio.ensure_future(self._tell({"id": self._id, "type": "queued", "ahead": ahead}))

    async def _tell(self, frame: dict[str, Any]) -> None:
        with contextlib.suppress(ClientGone):
            await self._outbox.send(frame)

    async def write(self, event: StreamEvent) -> None:
        """Waits while the client does not read. Raises ClientGone."""
        match event:
            case TextDelta() if not event.choice and not event.logprobs:
                if event.text:
                    await self._outbox.send_encoded(self._delta + _encode(event.text) + b"}")
            case Started():
                self._model = event.model
            case Finished():
                self._reasons[event.choice] = event.reason
            case UsageReported():
                self._usage = event.usage
            case TextDelta() | ReasoningDelta() | RefusalDelta() | ToolCallStarted() | ToolCallDelta():
                await self._outbox.send({"id": self._id, **_frame(event)})
            case Opaque() | EmbeddingResult():
                raise InternalError("The answer is of a kind that nobody asked for.")
            case _:
                assert_never(event)

    def done(self, reason: str | None = None, kept: Kept | None = None) -> dict[str, Any]:
        """The last frame. `reason` stands where the model gave none."""
        frame: dict[str, Any] = {
            "id": self._id,
            "type": "done",
            "finish_reason": reason or self._reasons.get(0),
            "usage": None if self._usage is None else encode_usage(self._usage, FORMAT),
            "model": self._model,
            "request_id": self._call.id,
        }
        cost = self._call.cost(self._usage)
        if cost is not None:
            frame["cost"] = cost
        if self._call.standings:
            frame["limits"] = told(self._call.standings)
        if len(self._reasons) > 1:
            frame["finish_reasons"] = [self._reasons[choice] for choice in sorted(self._reasons)]
        if kept is not None:
            frame["history"] = kept
        return frame


def _frame(event: TextDelta | ReasoningDelta | RefusalDelta | ToolCallStarted | ToolCallDelta) -> dict[str, Any]:
    """A `choice` stands in it when it is not the first."""
    frame: dict[str, Any]
    match event:
        case TextDelta():
            frame = {"type": "delta", "message": event.text}
            if event.logprobs:
                frame["logprobs"] = encode_logprobs(event.logprobs)
        case ReasoningDelta():
            frame = {"type": "reasoning", "message": event.text}
        case RefusalDelta():
            frame = {"type": "refusal", "message": event.text}
        case ToolCallStarted():
            frame = {"type": "tool_call", "index": event.index, "call_id": event.id, "name": event.name}
            frame["arguments"] = ""
        case ToolCallDelta():
            frame = {"type": "tool_call", "index": event.index, "arguments": event.arguments}
        case _:
            assert_never(event)
    if event.choice:
        frame["choice"] = event.choice
    return frame
