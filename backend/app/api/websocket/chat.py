"""/ws/chat: several answers at once on one socket, each a call to the router."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec

from app.api.context import ApiContext
from app.api.request_ids import request_id
from app.api.websocket.answer import Answer
from app.api.websocket.frames import CallId, Frame, error_frame
from app.api.websocket.history import Conversation, Turn
from app.api.websocket.outbox import ClientGone
from app.api.websocket.socket import Socket
from app.domain.errors import Conflict, InternalError, InvalidRequest, PlatformError, RateLimited
from app.domain.principal import Principal
from app.domain.tracing import told_in
from app.inference.call import Call
from app.wire.openai_chat import request

NAME = "websocket"
MOST_CALLS = 16
"""Under way at once on one socket."""

_OWN_FIELDS = frozenset({"id", "type", "message", "history", "traceparent", "tracestate"})

logger = logging.getLogger(__name__)


class Running(msgspec.Struct, eq=False):
    """A call under way. `last`: the frame that ends it when it is cancelled; None when nobody is there for it."""

    id: CallId
    answer: Answer
    call: Call
    turn: Turn | None
    task: "asyncio.Task[None] | None" = None
    last: dict[str, Any] | None = None

    def end_with(self, frame: dict[str, Any]) -> None:
        if self.last is None and self.task is not None:
            self.last = frame
            self.task.cancel()


class ChatSession:
    def __init__(self, context: ApiContext, socket: Socket) -> None:
        self._open = context.router.open
        self._check_serving = context.check_serving
        self._socket = socket
        self._conversation = Conversation()
        self._running: dict[CallId, Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    def start(self) -> None:
        return

    async def take(self, frame: Frame) -> None:
        """Raises PlatformError."""
        match frame.type:
            case "chat":
                await self._begin(frame)
            case "cancel":
                self._cancel(frame)
            case "reset":
                self._conversation.clear()
                await self._socket.outbox.send({"id": frame.id, "type": "reset"})
            case _:
                raise InvalidRequest(
                    "'type': expected chat, cancel, reset or auth.", code="invalid_value", param="type"
                )

    def stop(self, error: PlatformError) -> None:
        for id, running in self._running.items():
            running.end_with(error_frame(id, error, running.call.id))

    async def close(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self, frame: Frame) -> None:
        self._check_serving(NAME)
        principal = await self._socket.principal()
        self._socket.check_taking()
        if frame.id is not None and frame.id in self._running:
            taken = Conflict(f"'{frame.id}' is under way on this socket already.", code="duplicate_id", param="id")
            # Under that id it would read as the end of the call that has it.
            await self._socket.outbox.send(error_frame(None, taken))
            return
        # Also those count whose last frame waits for a client that does not read.
        if len(self._tasks) >= MOST_CALLS:
            raise RateLimited(
                f"{MOST_CALLS} calls are under way on this socket: wait for one to end.", code="too_many_calls"
            )
        self._start(frame, principal)
        # A task that is cancelled before its first step would end without a word.
        await asyncio.sleep(0)

    def _start(self, frame: Frame, principal: Principal) -> None:
        messages, keeps = _messages(frame.fields), _keeps(frame.fields)
        before = self._conversation.messages() if keeps else []
        body = _body(frame.fields, [*before, *messages] if type(messages) is list else messages)
        call = Call(
            id=request_id(),
            operation="chat",
            model=request.peek(body).model,
            decode=partial(request.decode, body),
            stream=True,
            principal=principal,
            front_end=NAME,
            route="WebSocket /ws/chat",
            trace=told_in(frame.fields) or self._socket.trace,
        )
        turn = self._conversation.begin(messages) if keeps else None
        id = call.id if frame.id is None else frame.id
        answer = Answer(id, call, self._socket.outbox)
        call.queued = answer.queued
        running = self._running[id] = Running(id, answer, call, turn)
        running.task = task = asyncio.create_task(self._run(running))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _cancel(self, frame: Frame) -> None:
        if frame.id is None:
            raise InvalidRequest("The required field 'id' is missing.", code="missing_field", param="id")
        running = self._running.get(frame.id)
        if running is not None:
            running.end_with(running.answer.done("cancelled"))

    async def _run(self, running: Running) -> None:
        try:
            last = await self._finish(running)
            # From here on the client may use the id again.
            del self._running[running.id]
            await self._socket.outbox.send(last)
        except ClientGone:
            logger.debug("call %s: the client left", running.call.id)
        finally:
            if running.turn is not None:
                running.turn.leave()
            running.call.let_go()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._socket.settled()

    async def _finish(self, running: Running) -> dict[str, Any]:
        """Answer the call. Returns its last frame."""
        try:
            return await self._answer(running)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if running.last is None or task is None or task.uncancel() > 0:
                raise
            return running.last
        except PlatformError as error:
            return error_frame(running.id, error, running.call.id)
        except ClientGone:
            raise
        except Exception:
            logger.exception("call %s: defect", running.call.id)
            defect = InternalError("The platform failed unexpectedly; its log tells more under this request id.")
            return error_frame(running.id, defect, running.call.id)

    async def _answer(self, running: Running) -> dict[str, Any]:
        stream, turn = await self._open(running.call), running.turn
        async with aclosing(stream):
            async for event in stream:
                await running.answer.write(event)
                if turn is not None:
                    turn.add(event)
        return running.answer.done(kept=turn.keep() if turn is not None else None)


def _messages(fields: Mapping[str, Any]) -> Any:
    """What the frame adds to the conversation; what is not an array is left to the format's own check."""
    if "messages" in fields:
        if "message" in fields:
            raise InvalidRequest("Give 'message' or 'messages', not both.", code="invalid_value", param="message")
        return fields["messages"]
    message = fields.get("message")
    if message is None:
        raise InvalidRequest("Give 'message' or 'messages'.", code="missing_field", param="message")
    if type(message) is not str:
        raise InvalidRequest("'message': expected a string.", code="invalid_type", param="message")
    return [{"role": "user", "content": message}]


def _keeps(fields: Mapping[str, Any]) -> bool:
    keeps = fields.get("history")
    if keeps is not None and type(keeps) is not bool:
        raise InvalidRequest("'history': expected true or false.", code="invalid_type", param="history")
    return keeps is True


def _body(fields: Mapping[str, Any], messages: Sequence[Any]) -> bytes:
    """The frame as a chat completion of the OpenAI format: its parameters mean, and fail, what they do there."""
    body = {name: value for name, value in fields.items() if name not in _OWN_FIELDS}
    options = body.get("stream_options")
    if options is None or type(options) is dict:
        body["stream_options"] = {**(options or {}), "include_usage": True}
    return msgspec.json.encode({**body, "messages": messages, "stream": True})
