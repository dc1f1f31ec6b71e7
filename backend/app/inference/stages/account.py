"""One record a call: who asked what of whom, how it ended, what it used, how long it took.

The outermost stage, so that it sees refusals too. Records go to sinks; a sink must be quick and must not raise.
"""

import logging
import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterable, Sequence

from app.domain.calls import EndedCall, Tried
from app.domain.embeddings import EmbeddingResult
from app.domain.errors import PlatformError, ProviderProtocolError, UpstreamError
from app.domain.events import EventStream, Finished, Opaque, Started, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.domain.whole import Whole
from app.inference.call import Attempt, Call, Considered, PromptSize
from app.inference.estimate import answer_tokens, prompt_tokens
from app.inference.policy import ModelPolicy

logger = logging.getLogger(__name__)


class CallRecord(EndedCall, frozen=True, kw_only=True, gc=False):
    """`policy`, `stopped`, `prompt`: as the call has them. `considered`: targets that it might have gone to."""

    policy: ModelPolicy | None = None
    stopped: str | None = None
    prompt: PromptSize | None = None
    considered: tuple[Considered, ...] = ()


Sink = Callable[[CallRecord], object]
Start = Callable[[Call], None]
Emit = Callable[[Call, BaseException | None, float | None, Usage | None], None]


class Account:
    """Every call that was told to `starts` is told to `sinks` once when it ends, then to the `guests`."""

    def __init__(self, sinks: Sequence[Sink], starts: Sequence[Start] = ()) -> None:
        self._own = self._sinks = tuple(sinks)
        self._starts = tuple(starts)

    def invite(self, guests: Iterable[Sink]) -> None:
        """Sinks that come and go; these from now on, and no others."""
        self._sinks = (*self._own, *guests)

    async def __call__(self, call: Call, proceed: Callable[[Call], Awaitable[EventStream]]) -> EventStream:
        for start in self._starts:
            start(call)
        try:
            stream = await proceed(call)
        except BaseException as error:
            left = isinstance(error, CancelledError) and call.attempts
            self.emit(call, error, None, _estimated(call, 0) if left else None)
            raise
        if type(stream) is Whole and not call.stream:
            self.emit(
                call, None, time.perf_counter(), _used(stream) or _estimated(call, answer_tokens(call, stream))
            )
            return stream
        return Recorded(self.emit, call, stream)

    def emit(
        self, call: Call, error: BaseException | None, first_event_at: float | None, usage: Usage | None
    ) -> None:
        """The call is over: `error` is what ended it, None for a whole answer."""
        if call.known is not None:
            usage = None  # it was counted when the answer was made
        for done in call.at_end:
            try:
                done(error, usage)
            except Exception:
                logger.exception("call %s: defect in what follows its end", call.id)
        call.at_end.clear()  # they know the call: a circle that only the garbage collector would undo
        record = _record(call, error, first_event_at, usage)
        for sink in self._sinks:
            try:
                sink(record)
            except Exception:
                logger.exception("call %s: defect in a sink of its record", call.id)


def _record(
    call: Call, error: BaseException | None, first_event_at: float | None, usage: Usage | None
) -> CallRecord:
    target = call.attempts[-1].target if call.attempts else None
    principal = call.principal
    return CallRecord(
        id=call.id,
        principal=principal.id,
        front_end=call.front_end,
        operation=call.operation,
        model=call.model,
        integration=target.integration if target else None,
        target_model=target.model if target else None,
        attempts=len(call.attempts),
        outcome="ok" if error is None else _outcome(error),
        seconds=time.perf_counter() - call.started,
        first_event_seconds=None if first_event_at is None else first_event_at - call.started,
        usage=usage,
        key=principal.key,
        purse=principal.purse,
        team=principal.team,
        tier=principal.tier,
        cost=call.cost(usage),
        stream=call.stream,
        cached=call.cached,
        error=str(error) if isinstance(error, PlatformError) else None,
        code=error.code if isinstance(error, PlatformError) else None,
        charged=call.charged,
        meant=call.meant,
        policy=call.policy,
        stopped=call.stopped,
        prompt=call.prompt,
        considered=tuple(call.considered),
        trace=call.trace,
        tried=tuple([_tried(attempt) for attempt in call.attempts]),
    )


def _tried(attempt: Attempt) -> Tried:
    failure = attempt.failure
    return Tried(
        attempt.name,
        attempt.target.integration,
        attempt.target.model,
        attempt.seconds,
        attempt.waited,
        None if failure is None else _outcome(failure),
        None if failure is None else str(failure),
        tuple(attempt.dropped),
        attempt.began - attempt.call.started,
        attempt.hedge,
        attempt.lost,
        attempt.span,
    )


class Recorded:
    """Hands every event on; knows at the end how many there were and what was used, and tells `emit` once: the
    call, what ended it (None for a whole answer), when its first event came, and its usage.

    Also sees to it that an answer has an end, and each of its choices: a provider that stops without one, or ends
    with "error", has failed, and every front-end says so in its own way.
    """

    __slots__ = ("_call", "_emit", "_ended", "_first_event_at", "_frames", "_stream", "_unended", "_usage")

    def __init__(self, emit: Emit, call: Call, stream: EventStream) -> None:
        self._emit = emit
        self._call = call
        self._stream = stream
        self._first_event_at = time.perf_counter()
        self._frames = 0
        self._usage: Usage | None = None
        self._unended = 0
        self._ended = False

    def __aiter__(self) -> "Recorded":
        return self

    async def __anext__(self) -> StreamEvent:
        try:
            event = await self._stream.__anext__()
            if type(event) is Finished:
                self._finish(event)
        except BaseException as error:
            # A name for `error` here would be a circle, through its traceback, at the end of every stream.
            other = self._verdict(error)
            if other is None:
                raise
            raise other from error
        if type(event) is Opaque:
            self._frames += event.data.count(b"\ndata:") + 1
            if event.last:
                # The caller may take this for the end, so it must be known before it is handed on.
                self._end(None)
        elif type(event) is UsageReported or type(event) is EmbeddingResult:
            self._usage = event.usage
        else:
            self._frames += 1
            if type(event) is Started:
                self._unended = self._call.choices
        return event

    def _verdict(self, error: BaseException) -> PlatformError | None:
        """What the caller is to hear instead of `error`, the end of the stream or what broke it off; None for
        `error` itself. The call is recorded with it.
        """
        other: PlatformError | None = None
        if isinstance(error, StopAsyncIteration):
            if self._unended <= 0:
                self._end(None)
                return None
            other = ProviderProtocolError(
                f"'{self._provider()}' stopped in the middle of its answer.", provider=self._provider()
            )
        elif isinstance(error, Exception) and not isinstance(error, PlatformError):
            logger.exception("call %s: defect in integration '%s'", self._call.id, self._provider())
            other = UpstreamError(
                f"The integration '{self._provider()}' failed unexpectedly.", provider=self._provider()
            )
        self._end(other or error)
        return other

    def _finish(self, event: Finished) -> None:
        self._unended -= 1
        if event.reason == "error":
            raise UpstreamError(
                f"'{self._provider()}' failed in the middle of its answer.", provider=self._provider()
            )

    def _provider(self) -> str:
        return self._call.answered_by

    async def aclose(self) -> None:
        """Closing before the end means that the caller left."""
        try:
            await self._stream.aclose()
        finally:
            self._end(CancelledError())

    def _end(self, error: BaseException | None) -> None:
        if self._ended:
            return
        self._ended = True
        usage = self._usage
        if usage is None and (self._call.stream or error is not None):
            # A stream tells its usage only when asked, a cut one never; a frame is about a token.
            usage = _estimated(self._call, self._frames)
        self._emit(self._call, error, self._first_event_at, usage)


def _used(whole: Whole) -> Usage | None:
    usage: Usage | None = None
    for event in whole.events:
        if type(event) is UsageReported or type(event) is EmbeddingResult:
            usage = event.usage
    return usage


def _estimated(call: Call, output_tokens: int) -> Usage:
    """What a provider has read and written that was not heard to its end."""
    return Usage(input_tokens=prompt_tokens(call), output_tokens=output_tokens, estimated=True)


def _outcome(error: BaseException) -> str:
    if isinstance(error, PlatformError):
        return error.kind.value
    return "cancelled" if isinstance(error, CancelledError | GeneratorExit) else "internal"
