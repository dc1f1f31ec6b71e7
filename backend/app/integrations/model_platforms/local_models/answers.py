"""An answer under way, as the EventStream that a caller holds."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from app.domain.events import Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.model_platforms.local_models import failures
from app.integrations.model_platforms.local_models.channel import Channel
from app.integrations.model_platforms.local_models.frames import Frames


class FrameDecoder(Protocol):
    """Turns runs of whole frames into events; app.wire has one per format."""

    def feed(self, data: bytes) -> Sequence[StreamEvent]: ...

    def close(self) -> Sequence[StreamEvent]: ...


class Telling(Protocol):
    """What becomes of the frames. `end` is given the last ones, and the figures."""

    def feed(self, data: bytes) -> Sequence[StreamEvent]: ...

    def end(self, data: bytes, usage: Usage) -> Sequence[StreamEvent]: ...


class PassOn:
    """For a caller who speaks the same format: the frames as they are."""

    def __init__(self, format: str) -> None:
        self._format = format

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        return (Opaque(self._format, data),)

    def end(self, data: bytes, usage: Usage) -> Sequence[StreamEvent]:
        return (UsageReported(usage=usage), Opaque(self._format, data, last=True))


class Decode:
    """For all others: the same as events."""

    def __init__(self, decoder: FrameDecoder) -> None:
        self._decoder = decoder
        self.feed = decoder.feed

    def end(self, data: bytes, usage: Usage) -> Sequence[StreamEvent]:
        return (*self._decoder.feed(data), *self._decoder.close(), UsageReported(usage=usage))


class Answer:
    """Reads `channel` until its end. `release` is called once, as soon as nothing more is wanted of the model."""

    def __init__(
        self,
        channel: Channel,
        frames: Frames,
        telling: Telling,
        release: Callable[[], None],
        *,
        provider: str,
        model: str,
    ) -> None:
        self._channel = channel
        self._frames = frames
        self._telling = telling
        self._release: Callable[[], None] | None = release
        self._provider = provider
        self._model = model
        self._ready: deque[StreamEvent] = deque()
        self._ended = False

    async def begin(self) -> None:
        """Wait for the first event, so that a refusal is raised before the stream is handed out."""
        try:
            while not self._ready and not self._ended:
                await self._advance()
        except BaseException:
            await self.aclose()
            raise

    def __aiter__(self) -> "Answer":
        return self

    async def __anext__(self) -> StreamEvent:
        await self.begin()
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()

    async def aclose(self) -> None:
        """Returns at once; the thread at work ends at its next step."""
        self._ended = True
        self._ready.clear()
        self._let_go()

    async def _advance(self) -> None:
        try:
            chunks = await self._channel.take()
        except Exception as error:
            raise failures.from_exception(error, provider=self._provider, model=self._model) from None
        if chunks:
            run = self._frames.read(chunks)
            if run:
                self._ready.extend(self._telling.feed(run))
            return
        last, usage = self._frames.end()
        self._ready.extend(self._telling.end(last, usage))
        self._ended = True
        self._let_go()

    def _let_go(self) -> None:
        self._channel.close()
        release, self._release = self._release, None
        if release is not None:
            release()
