"""One record a call: who asked what of whom, how it ended, what it used, how long it took.

The outermost stage, so that it sees refusals too. Records go to sinks; a sink must be quick and must not raise.
"""

import logging
import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from app.domain.embeddings import EmbeddingResult
from app.domain.errors import PlatformError, ProviderProtocolError, UpstreamError
from app.domain.events import EventStream, Finished, Opaque, Started, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.inference.call import Call

logger = logging.getLogger(__name__)


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`outcome`: ok, cancelled, or the kind of the error. Durations in seconds, None if never reached."""

    id: str
    principal: str
    front_end: str
    operation: str
    model: str
    integration: str | None
    target_model: str | None
    attempts: int
    outcome: str
    seconds: float
    first_event_seconds: float | None
    usage: Usage | None


Sink = Callable[[CallRecord], None]
Start = Callable[[Call], None]


class Account:
    """Every call that was told to `starts` is told to `sinks` once when it ends."""

    def __init__(self, sinks: Sequence[Sink], starts: Sequence[Start] = ()) -> None:
        self._sinks = tuple(sinks)
        self._starts = tuple(starts)

    async def __call__(self, call: Call, proceed: Callable[[Call], Awaitable[EventStream]]) -> EventStream:
        for start in self._starts:
            start(call)
        try:
            stream = await proceed(call)
        except BaseException as error:
            self.emit(call, _outcome(error), None, None)
            raise
        return _Recorded(self, call, stream)

    def emit(self, call: Call, outcome: str, first_event_at: float | None, usage: Usage | None) -> None:
        target = call.attempts[-1].target if call.attempts else None
        record = CallRecord(
            id=call.id,
            principal=call.principal.id,
            front_end=call.front_end,
            operation=call.operation,
            model=call.model,
            integration=target.integration if target else None,
            target_model=target.model if target else None,
            attempts=len(call.attempts),
            outcome=outcome,
            seconds=time.perf_counter() - call.started,
            first_event_seconds=None if first_event_at is None else first_event_at - call.started,
            usage=usage,
        )
        for sink in self._sinks:
            sink(record)


class _Recorded:
    """Hands every event on; knows at the end how many there were and what was used.

    Also sees to it that an answer has an end: a provider that stops without one, or ends with "error", has failed,
    and every front-end says so in its own way.
    """

    __slots__ = ("_account", "_call", "_ended", "_first_event_at", "_frames", "_stream", "_unfinished", "_usage")

    def __init__(self, account: Account, call: Call, stream: EventStream) -> None:
        self._account = account
        self._call = call
        self._stream = stream
        self._first_event_at = time.perf_counter()
        self._frames = 0
        self._usage: Usage | None = None
        self._unfinished = False
        self._ended = False

    def __aiter__(self) -> "_Recorded":
        return self

    async def __anext__(self) -> StreamEvent:
        try:
            event = await self._stream.__anext__()
            if type(event) is Finished:
                self._finish(event)
        except BaseException as error:
            verdict = self._verdict(error)
            if verdict is error:
                raise
            raise verdict from error
        if type(event) is Opaque:
            self._frames += event.data.count(b"\ndata:") + 1
        elif type(event) is UsageReported or type(event) is EmbeddingResult:
            self._usage = event.usage
        else:
            self._frames += 1
            if type(event) is Started:
                self._unfinished = True
        return event

    def _verdict(self, error: BaseException) -> BaseException:
        """What the caller is to hear of the end, or of what broke the stream off; the call is recorded with it."""
        verdict = error
        if isinstance(error, StopAsyncIteration):
            if not self._unfinished:
                self._end("ok")
                return error
            verdict = ProviderProtocolError(
                f"'{self._provider()}' stopped in the middle of its answer.", provider=self._provider()
            )
        elif isinstance(error, Exception) and not isinstance(error, PlatformError):
            logger.exception("call %s: defect in integration '%s'", self._call.id, self._provider())
            verdict = UpstreamError(
                f"The integration '{self._provider()}' failed unexpectedly.", provider=self._provider()
            )
        self._end(_outcome(verdict))
        return verdict

    def _finish(self, event: Finished) -> None:
        self._unfinished = False
        if event.reason == "error":
            raise UpstreamError(
                f"'{self._provider()}' failed in the middle of its answer.", provider=self._provider()
            )

    def _provider(self) -> str:
        return self._call.attempts[-1].target.integration

    async def aclose(self) -> None:
        """Closing before the end means that the caller left."""
        try:
            await self._stream.aclose()
        finally:
            self._end("cancelled")

    def _end(self, outcome: str) -> None:
        if self._ended:
            return
        self._ended = True
        usage = self._usage
        if usage is None and (self._call.stream or outcome != "ok"):
            # A stream tells its usage only when asked, a cut one never; a frame is about a token.
            usage = Usage(output_tokens=self._frames, estimated=True)
        self._account.emit(self._call, outcome, self._first_event_at, usage)


def _outcome(error: BaseException) -> str:
    if isinstance(error, PlatformError):
        return error.kind.value
    return "cancelled" if isinstance(error, CancelledError | GeneratorExit) else "internal"
