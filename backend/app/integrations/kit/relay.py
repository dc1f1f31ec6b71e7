"""Handing on an event stream as it is: whole frames, untouched, up to the one that ends it.

What ends a stream, and what is worth seeing in it, is each format's own matter: see `Look`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec

from app.domain.errors import PlatformError, UpstreamError, UpstreamUnavailable
from app.domain.events import Opaque, StreamEvent
from app.wire.sse import FrameSplitter

DRAIN_SECONDS = 1.0
"""How long to wait for the connection's end after the stream's own; then it is closed instead of reused."""

DATA = re.compile(rb"^data: *(\{.*)$", re.MULTILINE)
"""The JSON of each frame in a run."""

_FRAME_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class Ending(msgspec.Struct, frozen=True):
    """What is left to be done when a stream ends: events to hand on, and then the error that it told, if any."""

    events: tuple[StreamEvent, ...] = ()
    error: PlatformError | None = None


Look = Callable[[bytes], Ending | None]
"""Is shown each run of whole frames, in their order; answers with the end when it is in there. A run costs little
when a short string is searched first which valid JSON holds only where it means something: within a text its
quotes would be escaped.
"""


async def relay(
    chunks: AsyncGenerator[bytes, None], format: str, provider: str, look: Look
) -> AsyncGenerator[StreamEvent, None]:
    """Opaque events, one a read, and then what `look` says.

    Raises the error of the ending, after what came before it; UpstreamUnavailable when the end is missing.
    """
    splitter = FrameSplitter()
    ending: Ending | None = None
    async with aclosing(chunks):
        async for chunk in chunks:
            run = splitter.feed(chunk)
            if not run:
                continue
            if ending := look(run):
                break
            yield Opaque(format, run)
        # The last frame may lack its empty line, which the standard wants and some servers forget.
        ending = ending or look(splitter.pending + b"\n\n") or _cut(provider)
        for event in ending.events:
            yield event
        if ending.error is not None:
            raise ending.error
        await _drain(chunks)


def failed(format: str, run: bytes, data_at: int, error: PlatformError) -> Ending:
    """A frame of `run` tells an error: what came before it is handed on. `data_at`: where its data line begins."""
    before = run[: frame_start(run, data_at)]
    return Ending((Opaque(format, before),) if before else (), error)


def frame_start(run: bytes, data_at: int) -> int:
    """Where the frame begins whose data line is at `data_at`: an `event:` line may stand before it."""
    ends = [found.end() for found in _FRAME_END.finditer(run, 0, data_at)]
    return ends[-1] if ends else 0


def _cut(provider: str) -> Ending:
    return Ending(error=UpstreamUnavailable(f"'{provider}' ended the stream early.", provider=provider))


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Read to the end, so that the connection can serve again."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass
    except (TimeoutError, UpstreamError):
        return
