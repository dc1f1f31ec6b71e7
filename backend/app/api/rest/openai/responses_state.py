"""What makes the Responses API remember: a step before the router that lays the stored turns before a request, and
keeps the answer for the next one.

Whoever keeps is an integration that satisfies ResponseStore. Without one nothing is kept, and a request that goes
on from a response is refused. What an upstream answers in this very format passes untouched and is kept, too.
"""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from app.domain.chat import ChatRequest
from app.domain.errors import InvalidRequest, PlatformError, UnsupportedFeature, UpstreamError, UpstreamUnavailable
from app.domain.events import EventStream, Finished, Opaque, Started, StreamEvent, TextDelta
from app.domain.ports import ResponseStore
from app.domain.responses import StoredResponse
from app.domain.streams import Collector
from app.inference.call import Call
from app.wire.openai_responses import FORMAT, request, response
from app.wire.openai_responses.echo import echo
from app.wire.openai_responses.head import ResponsesHead
from app.wire.openai_responses.history import Final, Turn, expand, final, own_items

E = TypeVar("E", Started, Finished, TextDelta)

logger = logging.getLogger(__name__)

_ELSEWHERE = {
    "conversation": "conversations are not kept here; use previous_response_id",
    "prompt": "prompt templates are not kept here",
}


def decode(body: bytes) -> ChatRequest:
    """For a target that does not speak this format itself. Raises UnsupportedFeature for what only its keeper can
    give, InvalidRequest for a response to go on from that is not known here.
    """
    decoded = request.decode(body)
    kept = decoded.extensions.get(FORMAT, {})
    if (id := kept.get("previous_response_id")) is not None:
        raise _unknown(str(id))
    for name, reason in _ELSEWHERE.items():
        if kept.get(name) is not None:
            raise UnsupportedFeature(f"'{name}' can't be used with this model: {reason}.", param=name)
    return decoded


def _unknown(id: str) -> InvalidRequest:
    return InvalidRequest(
        f"There is no response '{id[:128]}' to go on from: it was never kept, has expired or was deleted, or one"
        " that it continues was.",
        code="previous_response_not_found",
        param="previous_response_id",
    )


class ResponseState:
    """`stores` gives those that serve now; the first is used. `now`: Unix seconds."""

    def __init__(
        self,
        open_call: Callable[[Call], Awaitable[EventStream]],
        stores: Callable[[], Sequence[ResponseStore]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._open = open_call
        self._stores = stores
        self._now = now

    async def open(self, call: Call) -> EventStream:
        """Takes the router's place. `call` came in this format."""
        assert call.encoded is not None
        body = call.encoded.body
        head = request.peek(body)
        if head.background:
            raise UnsupportedFeature("'background' is not offered: stream the response.", param="background")
        store = next(iter(self._stores()), None)
        if head.previous_response_id is not None:
            await self.go_on(call, head.previous_response_id, store)
        stream = await self._open(call)
        if store is None or not head.store:
            return _Kept(stream, None, self._now)
        return _Kept(stream, _Keeper(store, call.principal.id, head, body, self._now), self._now)

    async def go_on(self, call: Call, id: str, store: ResponseStore | None) -> None:
        """Lay the turns up to `id` before the request. One that is not known here is left to the target."""
        assert call.encoded is not None
        body = await self.expanded(call.encoded.body, id, call.principal.id, store)
        call.encoded = call.encoded.holding(body)
        call.decode = partial(decode, body)

    async def expanded(self, body: bytes, id: str, principal: str, store: ResponseStore | None) -> bytes:
        """`body` as it is where the response, or one that it continues, is not kept here.

        Raises NotFound when it is another's, UpstreamUnavailable when nothing that keeps responses answers.
        """
        if store is None:
            raise _no_store()
        try:
            history = await store.response_history(id, principal)
        except UpstreamError:
            raise _no_store() from None
        if not history or history[0].previous_id is not None:
            return body
        return expand(body, [Turn(each.items, each.body) for each in history])

    def store(self) -> ResponseStore:
        """Raises UpstreamUnavailable."""
        store = next(iter(self._stores()), None)
        if store is None:
            raise _no_store()
        return store


def _no_store() -> UpstreamUnavailable:
    return UpstreamUnavailable(
        "Stored responses can't be reached: the integration 'database' does not serve now. Send the whole"
        " conversation as 'input' instead of previous_response_id.",
        code="response_store_unavailable",
        provider="database",
        retry_after=5.0,
    )


class _Keeper:
    """Keeps one answer."""

    def __init__(
        self, store: ResponseStore, principal: str, head: ResponsesHead, body: bytes, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._now = now
        self._principal = principal
        self._head = head
        self._body = body
        self._collector = Collector()
        self._passed_on = False

    def add(self, event: Any) -> None:
        self._collector.add(event)

    async def keep_passed_on(self, event: Opaque) -> None:
        found = final(event.data, whole=event.whole) if event.format == FORMAT else None
        self._passed_on = True
        if found is not None:
            await self._keep(found)

    async def keep_collected(self) -> bool:
        """Whether it is kept now. An answer that passed by as bytes was kept when its end was there."""
        if self._passed_on:
            return True
        result = self._collector.result()
        return await self._keep(Final(result.id, response.encode(result, echo(self._head))))

    async def _keep(self, answer: Final) -> bool:
        try:
            await self._store.put_response(
                StoredResponse(
                    id=answer.id,
                    principal=self._principal,
                    previous_id=self._head.previous_response_id,
                    created=self._now(),
                    items=own_items(self._body),
                    body=answer.response,
                )
            )
        except PlatformError as error:
            logger.warning("the response %s is not kept: %s", answer.id, error)
            return False
        return True


class _Kept:
    """An answer that gets an id of this format, and is kept before anybody sees its end."""

    def __init__(self, stream: EventStream, keeper: _Keeper | None, now: Callable[[], float]) -> None:
        self._stream = stream
        self._keeper = keeper
        self._now = now

    def __aiter__(self) -> "_Kept":
        return self

    async def __anext__(self) -> StreamEvent:
        try:
            event = await self._stream.__anext__()
        except StopAsyncIteration:
            if (told := await self._end()) is None:
                raise
            return told
        if type(event) is Opaque:
            if self._keeper is not None:
                await self._keeper.keep_passed_on(event)
            return event
        return self._own(event)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _own(self, event: StreamEvent) -> StreamEvent:
        if type(event) is Started:
            event = self._named(event)
        elif type(event) is Finished:
            event = _with_result(event, {"completed_at": int(self._now())})
        if self._keeper is not None:
            self._keeper.add(event)
        return event

    def _named(self, event: Started) -> Started:
        id, created = f"resp_{secrets.token_hex(16)}", event.created or int(self._now())
        named = msgspec.structs.replace(event, id=id, created=created)
        return named if self._keeper is not None else _with_result(named, {"store": False})

    async def _end(self) -> StreamEvent | None:
        """An event that takes the promise back, if the answer could not be kept."""
        keeper, self._keeper = self._keeper, None
        if keeper is None or await keeper.keep_collected():
            return None
        return _with_result(TextDelta(text=""), {"store": False})


def _with_result(event: E, fields: dict[str, Any]) -> E:
    mine = event.extensions.get(FORMAT, {})
    both = {**mine, "result": {**mine.get("result", {}), **fields}}
    return msgspec.structs.replace(event, extensions={**event.extensions, FORMAT: both})
