"""One answer on its way, and several callers who read it.

One task reads the upstream into a log; each reader has a place of its own in it. So a reader that leaves disturbs
no other, and when the last one has left the upstream is closed at once.

The upstream is read READ_AHEAD bytes ahead of the fastest reader, no further. An answer that may be kept stays in
the log whole, so whoever asks for the same may join at any time. Of a longer one HELD bytes stay, and a reader
that falls behind them is let go with an error: the others do not wait for it.

An answer is charged to one of its readers: the one who asked for it first. If another one has it whole before, or
that one leaves, it is charged to the other, or to the next in line.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import msgspec

from app.domain.errors import Overloaded
from app.domain.events import EventStream, Opaque, StreamEvent
from app.domain.usage import Usage
from app.inference.caching.kept import size_of
from app.inference.call import Call
from app.inference.stages.account import Recorded
from app.inference.stages.deadline import deadline_passed

READ_AHEAD = 64 * 1024
HELD = 256 * 1024

Proceed = Callable[[Call], Awaitable[EventStream]]


class Flight:
    """To be joined first by the caller whose `call` it is. `most_bytes`: the longest answer that may be kept.
    `landed` is given one that is whole, and may take its time. `gone` is told, once or more, that nobody may join
    any longer.
    """

    def __init__(
        self,
        call: Call,
        proceed: Proceed,
        most_bytes: int,
        landed: Callable[[Call, list[StreamEvent]], Awaitable[None]],
        gone: Callable[["Flight"], None],
    ) -> None:
        # What the next stages note on it goes to the caller who pays. Whose patience ends is each reader's affair.
        self.call = msgspec.structs.replace(call, deadline=None, at_end=[], queued=self._queued)
        self.ended = False
        self.error: Exception | None = None
        self._proceed = proceed
        self._most_bytes = most_bytes
        self._landed = landed
        self._gone = gone
        self._readers: list[Reader] = []
        self._payer = call
        self._charged = False
        self._log: list[tuple[StreamEvent, int]] = []  # each with where it ends, in bytes of the answer
        self._dropped = 0
        self._bytes = 0
        self._furthest = 0
        self._whole = True
        self._pause: asyncio.Future[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def join(self, call: Call) -> "Reader":
        reader = Reader(self, call)
        self._readers.append(reader)
        return reader

    def has(self, place: int) -> bool:
        """Whether the event number `place` has come."""
        return place < self._dropped + len(self._log)

    def read(self, place: int) -> StreamEvent:
        """The event number `place`. Raises Overloaded when it is not held any more."""
        if place < self._dropped:
            raise Overloaded(
                "This answer is shared with other requests and was read too slowly; ask again.",
                code="slow_reader",
                retry_after=1.0,
            )
        event, end = self._log[place - self._dropped]
        if end > self._furthest:
            self._furthest = end
            if self._pause is not None and not self._far_ahead and not self._pause.done():
                self._pause.set_result(None)
        return event

    def satisfied(self, reader: "Reader") -> None:
        """The reader has the whole answer, or knows how it failed."""
        if not self._charged:
            self._charged = True
            self._charge(reader.call)

    def leave(self, reader: "Reader") -> None:
        """The reader wants no more. With the last one the upstream is closed."""
        if reader not in self._readers:
            return
        self._readers.remove(reader)
        if self._readers and reader.call is self._payer and not self._charged:
            self._charge(self._readers[0].call)
        if not self._readers and not self.ended:
            self._gone(self)
            self._task.cancel()

    async def settled(self) -> None:
        """Returns once the upstream is closed, if nobody reads any more."""
        if not self._readers and not self.ended:
            await asyncio.wait({self._task})

    def _charge(self, call: Call) -> None:
        self._payer.cache_status, call.cache_status = "coalesced", "miss"
        self._payer, noted = call, self.call
        call.attempts, call.considered, call.prompt = noted.attempts, noted.considered, noted.prompt

    async def _run(self) -> None:
        try:
            await self._read_upstream()
        except Exception as error:
            self._end(error)
        except BaseException:
            self._end(Overloaded("The platform is being stopped; ask again.", retry_after=1.0))
            raise
        else:
            self._end(None)
            if self._whole:
                await asyncio.sleep(0)  # whoever waits for the end is served first
                await self._landed(self.call, [event for event, _ in self._log])
        finally:
            self._gone(self)

    async def _read_upstream(self) -> None:
        try:
            stream = await self._proceed(self.call)
        except BaseException as error:
            self._over(self.call, error, None, None)
            raise
        async with aclosing(Recorded(self._over, self.call, stream)) as events:
            async for event in events:
                self._add(event)
                if self._far_ahead:
                    await self._readers_come_near()

    async def _readers_come_near(self) -> None:
        self._pause = asyncio.get_running_loop().create_future()
        try:
            await self._pause
        finally:
            self._pause = None

    def _over(
        self, call: Call, error: BaseException | None, first_event_at: float | None, usage: Usage | None
    ) -> None:
        for done in call.at_end:
            done(error, usage)
        # Without circles it is gone as soon as its readers are, and the garbage collector has nothing to look for.
        call.queued = None
        call.at_end.clear()

    def _add(self, event: StreamEvent) -> None:
        self._bytes += size_of(event)
        self._log.append((event, self._bytes))
        if self._whole and self._bytes > self._most_bytes:
            self._whole = False
            self._gone(self)
        if not self._whole:
            self._drop()
        self._wake()

    def _drop(self) -> None:
        """Let go of what is far behind. What the fastest reader has not had stays, however much it is."""
        count = 0
        for _, end in self._log:
            if end > self._furthest or self._bytes - end < HELD:
                break
            count += 1
        del self._log[:count]
        self._dropped += count

    @property
    def _far_ahead(self) -> bool:
        return self._bytes - self._furthest >= READ_AHEAD

    def _end(self, error: Exception | None) -> None:
        self.ended, self.error = True, error
        self._wake()

    def _wake(self) -> None:
        for reader in self._readers:
            reader.wake()

    def _queued(self, ahead: int) -> None:
        if self._payer.queued is not None:
            self._payer.queued(ahead)


class Reader:
    """Satisfies EventStream."""

    __slots__ = ("_flight", "_place", "_waiter", "call")

    def __init__(self, flight: Flight, call: Call) -> None:
        self.call = call
        self._flight = flight
        self._place = 0
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> "Reader":
        return self

    async def begun(self) -> None:
        """Returns once the first event is there. Raises what the answer failed with before it."""
        flight = self._flight
        while not flight.has(0):
            if flight.ended:
                if flight.error is None:
                    return
                raise self._end_of(flight)
            await self._wait()

    async def __anext__(self) -> StreamEvent:
        flight = self._flight
        while not flight.has(self._place):
            if flight.ended:
                raise self._end_of(flight)
            await self._wait()
        try:
            event = flight.read(self._place)
        except Overloaded:
            flight.leave(self)
            raise
        self._place += 1
        if type(event) is Opaque and event.last:
            flight.satisfied(self)
        return event

    async def aclose(self) -> None:
        self._flight.leave(self)
        await self._flight.settled()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end_of(self, flight: Flight) -> Exception:
        flight.satisfied(self)
        flight.leave(self)
        # Raised by each reader: without the traces of those before.
        return StopAsyncIteration() if flight.error is None else flight.error.with_traceback(None)

    async def _wait(self) -> None:
        """Until something has come. Raises DeadlineExceeded."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            if self.call.deadline is None:
                await self._waiter
            else:
                async with asyncio.timeout_at(self.call.deadline):
                    await self._waiter
        except BaseException as error:
            self._flight.leave(self)
            if isinstance(error, TimeoutError):
                raise deadline_passed() from None
            raise
        finally:
            self._waiter = None
