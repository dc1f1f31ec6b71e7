"""The hot path of HTTP: one raw ASGI endpoint that serves every dialect of generation and embedding.

Read the body once, look at what routing needs, open the answer, write it. A dialect is data: see Dialect.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol

import msgspec
from starlette.types import Receive, Scope, Send

from app.api.access import check_access
from app.api.asgi import (
    JSON_TYPE,
    REPLAYED,
    ClientGone,
    error_headers,
    headers_of,
    hops,
    identify,
    kept,
    read_body,
    request_id,
    send_json,
    sent_trace,
)
from app.api.cache_control import cache_control
from app.api.head import headers_in, lines_of
from app.api.idempotency_key import OpenCall, OpenOnce, opening
from app.api.lane import Lane, take_lane
from app.api.leaving import UntilDisconnect
from app.api.limit_headers import openai_headers
from app.api.policy import ApiPolicy
from app.api.refusals import tell_refused
from app.api.rest.sse import COMMENT, EventStreamResponse
from app.domain.errors import Cancelled, InternalError, Overloaded, PlatformError, RateLimited
from app.domain.events import EventStream, Opaque
from app.domain.exchange import Encoded, Places, Splice
from app.domain.limits import Standing
from app.domain.whole import Whole
from app.inference.call import Call, Operation
from app.wire.json_limits import check_depth

QUEUE_SILENCE = 1.0
"""Seconds that a stream waits for a place before its caller is told. Then its answer has begun, with status 200: a
short wait should not cost the caller the status and the headers of what comes of it.
"""

_JSON_LINE = b"%b: %b\r\n" % JSON_TYPE
_LINES = b"openai-processing-ms: %d\r\nx-llm-provider: %b\r\nx-llm-attempts: %d\r\n"

logger = logging.getLogger(__name__)


class Head(Protocol):
    """What a dialect's peek tells of a request."""

    @property
    def model(self) -> str: ...

    @property
    def stream(self) -> bool: ...


class StreamEncoder(Protocol):
    def encode(self, event: Any) -> bytes: ...

    def end(self) -> bytes: ...

    def error(self, error: PlatformError) -> bytes: ...


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint's wire format, as functions of app.wire.

    `look`, a format's peek, validates what the platform needs and is all that a same-format request costs; `fold`
    turns a stream of domain events into the body of an answer that does not stream; `error` gives status and body.
    `silence` is the frame that fills one. `id_header` repeats the request's id, and `with_id` puts it into an
    error of this format. `kept_headers` of the request belong to the format, and go to who speaks it.
    `limit_headers` tells how the caller stands with its limits, as lines.
    """

    name: str
    operation: Operation
    format: str
    look: Callable[[bytes], tuple[Head, Places | None]]
    decode: Callable[[bytes], object]
    splice: Splice
    fold: Callable[[Any, EventStream], Awaitable[bytes]]
    encoder: Callable[[Any], StreamEncoder]
    error: Callable[[PlatformError], tuple[int, bytes]]
    silence: bytes = COMMENT
    id_header: bytes | None = None
    with_id: Callable[[bytes, str], bytes] | None = None
    kept_headers: tuple[bytes, ...] = ()
    limit_headers: Callable[[Sequence[Standing]], bytes] = openai_headers


class InferenceEndpoint:
    """POST only. `open_call` is the router's; `serving` says whether the front-end is switched on; `once` opens
    calls that carry an Idempotency-Key.
    """

    def __init__(
        self,
        path: str,
        dialect: Dialect,
        open_call: OpenCall,
        policy: Callable[[], ApiPolicy],
        check_serving: Callable[[], None],
        once: OpenOnce,
    ) -> None:
        self._once = once
        self._route = f"POST {path}"
        self._dialect = dialect
        self._open = open_call
        self._policy = policy
        self._check_serving = check_serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        answer = _Answer(self._dialect, request_id(headers), send, self._policy(), take_lane(scope))
        call: Call | None = None
        try:
            call, head = await self._receive(headers, receive, answer)
            open_call = opening(headers, self._open, self._once)
            async with UntilDisconnect(receive, answer.lane):
                await answer.send(call, head, open_call)
        except (ClientGone, Cancelled):
            logger.debug("call %s: the client left", answer.id)
        except PlatformError as error:
            if call is None:
                tell_refused(answer.id, self._route, error)
            await answer.fail(error)
        except asyncio.CancelledError:
            # The server stops and waits no longer, so this ends the request's task.
            await answer.fail(Overloaded("The platform is being stopped; ask again.", retry_after=1.0))
        except Exception:
            logger.exception("call %s: defect", answer.id)
            await answer.fail(
                InternalError("The platform failed unexpectedly; its log tells more under this request id.")
            )
        finally:
            answer.close()
            if call is not None:
                call.let_go()

    async def _receive(
        self, headers: Mapping[bytes, bytes], receive: Receive, answer: "_Answer"
    ) -> tuple[Call, Head]:
        self._check_serving()
        principal = await identify(headers, answer.policy)
        check_access(principal, self._route)
        body = await read_body(headers, receive, answer.policy.body_bytes)
        check_depth(body, answer.policy.json_depth)
        dialect = self._dialect
        head, places = dialect.look(body)
        session = headers.get(b"x-session-id")
        call = Call(
            id=answer.id,
            operation=dialect.operation,
            model=head.model,
            decode=partial(dialect.decode, body),
            encoded=Encoded(dialect.format, body, dialect.splice, kept(headers, dialect.kept_headers), places),
            stream=head.stream,
            principal=principal,
            front_end=dialect.name,
            route=self._route,
            session=None if session is None else session.decode("latin-1"),
            hops=hops(headers),
            trace=sent_trace(headers),
            cache_control=cache_control(headers.get(b"cache-control")),
        )
        return call, head


class _Answer:
    """One response on its way out, streaming or not."""

    def __init__(self, dialect: Dialect, id: str, send: Send, policy: ApiPolicy, lane: Lane | None) -> None:
        self.id = id
        self.policy = policy
        self.lane = lane
        self._dialect = dialect
        self._send = send
        self._began = time.perf_counter()
        self._id_lines = b"x-request-id: %b\r\n" % id.encode()
        if dialect.id_header is not None:
            self._id_lines += b"%b: %b\r\n" % (dialect.id_header, id.encode())
        self._sse: EventStreamResponse | None = None
        self._encoder: StreamEncoder | None = None
        self._notice: asyncio.TimerHandle | None = None

    async def send(self, call: Call, head: Head, open_call: OpenCall) -> None:
        if head.stream:
            await self._stream(call, head, open_call)
        else:
            await self._whole(call, head, open_call)

    async def fail(self, error: PlatformError) -> None:
        """An error body, or an error event when the stream is under way."""
        if self._sse is not None and self._sse.started and self._encoder is not None:
            await self._sse.finish(self._with_id(self._encoder.error(error)))
            return
        self.close()
        status, body = self._dialect.error(error)
        lines = self._id_lines + lines_of(error_headers(error))
        if isinstance(error, RateLimited):
            lines += self._dialect.limit_headers(error.standings)
        await self._respond(status, self._with_id(body), lines)

    def _with_id(self, error: bytes) -> bytes:
        return error if self._dialect.with_id is None else self._dialect.with_id(error, self.id)

    def close(self) -> None:
        if self._notice is not None:
            self._notice.cancel()
        if self._sse is not None:
            self._sse.close()

    async def _whole(self, call: Call, head: Head, open_call: OpenCall) -> None:
        stream = await open_call(call)
        async with aclosing(stream):
            events = stream.events if type(stream) is Whole else [event async for event in stream]
        first = events[0]
        body = first.data if type(first) is Opaque else await self._dialect.fold(head, Whole(events))
        await self._respond(200, body, self._lines(call))

    async def _respond(self, status: int, body: bytes, lines: bytes) -> None:
        if self.lane is not None:
            self.lane.respond(status, _JSON_LINE + lines, body)
        else:
            await send_json(self._send, status, body, headers_in(lines))

    async def _stream(self, call: Call, head: Head, open_call: OpenCall) -> None:
        self._encoder = encoder = self._dialect.encoder(head)
        self._sse = sse = EventStreamResponse(
            self._send, self.policy.comment_seconds, self._id_lines, self._dialect.silence, self.lane
        )
        call.queued = partial(self._queued, call)
        stream = await open_call(call)
        opaque = False
        async with aclosing(stream):
            await sse.start(self._lines(call))
            async for event in stream:
                if type(event) is Opaque:
                    opaque = True
                    await sse.write(event.data)
                elif not opaque and (frames := encoder.encode(event)):
                    await sse.write(frames)
        await sse.finish(b"" if opaque else encoder.end())

    def _queued(self, call: Call, ahead: int) -> None:
        delay = min(QUEUE_SILENCE, self.policy.comment_seconds)
        self._notice = asyncio.get_running_loop().call_later(delay, self._tell_queue, call, ahead)

    def _tell_queue(self, call: Call, ahead: int) -> None:
        """Unless it has its place by now."""
        waits = not call.attempts or call.attempts[-1].failure is not None
        if waits and self._sse is not None:
            self._sse.remark(f"waiting for a place, {ahead} ahead")

    def _lines(self, call: Call) -> bytes:
        """`x-llm-overhead-ms`: what the platform itself took until now. `x-llm-queue-ms`: waits for a place."""
        spent = time.perf_counter() - self._began
        provider = call.answered_by.encode("latin-1", "replace")
        lines = self._id_lines + _LINES % (spent * 1000, provider, len(call.attempts))
        if (overhead := call.overhead(spent)) is not None:
            lines += b"x-llm-overhead-ms: %.2f\r\n" % (overhead * 1000)
        if queued := call.waited:
            lines += b"x-llm-queue-ms: %.2f\r\n" % (queued * 1000)
        if call.cache_status is not None:
            lines += b"x-llm-cache: %b\r\n" % call.cache_status.encode()
            if call.cache_status == "replayed":
                lines += b"%b: %b\r\n" % REPLAYED
        return lines + self._dialect.limit_headers(call.standings) if call.standings else lines
