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

_EMPTY_LINES = (b"\n", b"\r\n")
_FRAME_END = re.compile(rb"\n\r?\n|\r\r")


class Ending(msgspec.Struct, frozen=True):
    """What is left to be done when a stream ends: events to hand on, and then the error that it told, if any."""

    events: tuple[StreamEvent, ...] = ()
    error: PlatformError | None = None


Look = Callable[[bytes], Ending | bytes | None]
"""Is shown each run of whole frames, in their order; answers with the end when it is in there, or with what is to
be handed on in place of the run. A run costs little when a short string is searched first which valid JSON holds
only where it means something: within a text its quotes would be escaped.
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
            found = look(run)
            if found is None:
                yield Opaque(format, run)
            elif isinstance(found, Ending):
                ending = found
                break
            elif found:
                yield Opaque(format, found)
        ending = ending or _last(splitter.pending, look, provider)
        for event in ending.events:
            yield event
        if ending.error is not None:
            raise ending.error
        await _drain(chunks)


def failed(format: str, run: bytes, data_at: int, error: PlatformError) -> Ending:
    """A frame of `run` tells an error: what came before it is handed on. `data_at`: where its data line begins."""
    before = run[: frame_start(run, data_at)]
    return Ending((Opaque(format, before),) if before else (), error)


def frame_start(run: bytes, at: int) -> int:
    """Where the frame begins that `at` is in: an `event:` line may stand before its data."""
    line = run.rfind(b"\n", 0, at) + 1
    while line:
        before = run.rfind(b"\n", 0, line - 1) + 1
        if run[before:line] in _EMPTY_LINES:
            break
        line = before
    return line


def frame_end(run: bytes, at: int) -> int:
    """Where the frame ends that `at` is in, its empty line included."""
    found = _FRAME_END.search(run, at)
    return found.end() if found else len(run)


def _last(pending: bytes, look: Look, provider: str) -> Ending:
    """The last frame may lack its empty line, which the standard wants and some servers forget."""
    found = look(pending + b"\n\n")
    if isinstance(found, Ending):
        return found
    return Ending(error=UpstreamUnavailable(f"'{provider}' ended the stream early.", provider=provider))


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Read to the end, so that the connection can serve again."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass
    except (TimeoutError, UpstreamError):
        return
