"""graphql-transport-ws: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md No other subprotocol.

Several operations share a socket. Each is a task; ending it, by `complete` or by leaving, closes its upstream.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.types import Receive, Scope, Send

from app.api import request_ids
from app.api.asgi import CLOSES_ITSELF, headers_of, sent_trace
from app.api.graphql import limits, wire
from app.api.graphql.errors import describe_refusal
from app.api.graphql.front_end import FRONT_END
from app.api.graphql.messages import PROTOCOL, ClientMessage, Complete, Init, Ping, Pong, Subscribe, credential_of
from app.api.graphql.messages import decode as decode_message
from app.api.graphql.request import Asked
from app.domain.errors import InternalError, Overloaded, PlatformError, RateLimited, Unauthenticated

if TYPE_CHECKING:
    from app.api.graphql.engine import Engine

logger = logging.getLogger(__name__)


class _Closed(Exception):
    """The socket is to be closed, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Socket:
    def __init__(self, engine: "Engine", scope: Scope, receive: Receive, send: Send) -> None:
        self._engine = engine
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers: Mapping[bytes, bytes] = headers_of(scope)
        self._key: str | None = None
        self._initialised = False
        self._open = True
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Returns when the socket is closed and everything that ran on it has ended."""
        await self._receive()
        self._scope["state"][CLOSES_ITSELF] = True
        known = PROTOCOL in self._scope["subprotocols"]
        await self._send({"type": "websocket.accept", "subprotocol": PROTOCOL if known else None})
        try:
            if not known:
                raise _Closed(4406, f"Subprotocol not acceptable: use {PROTOCOL}")
            await self._talk()
        except _Closed as closed:
            await self.close(closed.code, closed.reason)
        except OSError:
            logger.debug("a socket broke")
        finally:
            self._open = False
            await self._stop()

    async def drain(self, seconds: float) -> None:
        """Let what runs end within `seconds`, then close."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await self._stop()
        await self.close(1001, "The platform is going away")

    async def close(self, code: int, reason: str) -> None:
        if self._open:
            self._open = False
            await self._send({"type": "websocket.close", "code": code, "reason": reason[:120]})

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _talk(self) -> None:
        try:
            async with asyncio.timeout(limits.INIT_SECONDS) as patience:
                async for message in self._messages():
                    await self._act(message)
                    if self._initialised:
                        patience.reschedule(None)
        except TimeoutError:
            raise _Closed(4408, "Connection initialisation timeout") from None

    async def _messages(self) -> AsyncIterator[ClientMessage]:
        depth = self._engine.api.policy().json_depth
        while self._open:
            received = await self._receive()
            if received["type"] == "websocket.disconnect":
                return
            text = received.get("text")
            if text is None:
                raise _Closed(4400, "A message must be text")
            try:
                yield decode_message(text, depth)
            except PlatformError as error:
                raise _Closed(4400, error.message) from None

    async def _act(self, message: ClientMessage) -> None:
        match message:
            case Init():
                await self._initialise(message)
            case Ping():
                await self._tell({"type": "pong"})
            case Subscribe():
                await self._subscribe(message)
            case Complete():
                if (task := self._running.pop(message.id, None)) is not None:
                    task.cancel()
            case Pong():
                return

    async def _initialise(self, message: Init) -> None:
        if self._initialised:
            raise _Closed(4429, "Too many initialisation requests")
        try:
            policy = self._engine.api.policy()
            self._key = credential_of(self._headers, message.payload or {}, policy)
            await policy.authenticator.authenticate(self._key)
        except Unauthenticated as error:
            raise _Closed(4403, f"Forbidden: {error.message}") from None
        except PlatformError as error:
            raise _Closed(1013, f"Try again later: {error.message}") from None
        self._initialised = True
        await self._tell({"type": "connection_ack"})

    async def _subscribe(self, message: Subscribe) -> None:
        if not self._initialised:
            raise _Closed(4401, "Unauthorized")
        if message.id in self._running:
            raise _Closed(4409, f"Subscriber for {message.id} already exists")
        id = request_ids.request_id()
        try:
            # For every operation anew: a key may be withdrawn while the socket stands.
            asked = await self._engine.asked(self._key, id)
            self._check_room()
            message.payload.check()
            asked.trace = message.payload.trace() or sent_trace(self._headers)
        except PlatformError as error:
            await self._tell(
                {"id": message.id, "type": "error", "payload": [describe_refusal(error, id)]},
            )
            return
        task = asyncio.create_task(self._run(message, asked))
        self._running[message.id] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check_room(self) -> None:
        """Raises Overloaded, RateLimited, NotFound."""
        self._engine.api.check_serving(FRONT_END)
        if self._engine.ending.is_set():
            raise Overloaded("The platform is going away.", retry_after=1.0)
        if len(self._tasks) >= limits.OPERATIONS:
            raise RateLimited(
                f"At most {limits.OPERATIONS} operations may run on one socket.", code="too_many_operations"
            )

    async def _run(self, message: Subscribe, asked: Asked) -> None:
        try:
            last = await self._results(message, asked)
        except OSError:
            # The client is gone; the receiving side hears of it too and ends everything.
            return
        except Exception:
            logger.exception("request %s: defect", asked.id)
            defect = InternalError("The platform failed unexpectedly; its log tells more under this request id.")
            last = {"type": "error", "payload": [describe_refusal(defect, asked.id)]}
        # Before the last word, for the client may use the id again as soon as it has it.
        if self._running.get(message.id) is asyncio.current_task():
            del self._running[message.id]
        await self._tell({"id": message.id, **last})

    async def _results(self, message: Subscribe, asked: Asked) -> dict[str, Any]:
        """Tell each result. Returns the message that ends the operation."""
        async with self._engine.results(message.payload, asked) as results:
            async for result in results:
                told = wire.answer(result, asked.id)
                if result.data is None and result.errors:
                    return {"type": "error", "payload": told["errors"]}
                await self._tell({"id": message.id, "type": "next", "payload": told})
        return {"type": "complete"}

    async def _tell(self, message: dict[str, Any]) -> None:
        if self._open:
            await self._send({"type": "websocket.send", "text": msgspec.json.encode(message).decode()})
