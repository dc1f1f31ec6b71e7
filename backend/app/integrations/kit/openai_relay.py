"""Handing on an OpenAI-style event stream as it is: whole frames, untouched, with eyes for three things only.

They are an error frame, the figures of usage, and the end. A chunk costs three searches for a short string, which
valid JSON can hold only where it means something: within a text its quotes would be escaped.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from app.domain.errors import PlatformError, UpstreamError, UpstreamUnavailable
from app.domain.events import Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.kit.openai_peek import error_in, usage_in
from app.wire.sse import FrameSplitter

DRAIN_SECONDS = 1.0
"""How long to wait for the connection's end after the stream's own; then it is closed instead of reused."""

_DATA = re.compile(rb"^data: *(\{.*)$", re.MULTILINE)
_DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
_FRAME_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class _Ending(msgspec.Struct, frozen=True):
    events: tuple[StreamEvent, ...] = ()
    error: PlatformError | None = None


async def relay(
    chunks: AsyncGenerator[bytes, None], format: str, provider: str
) -> AsyncGenerator[StreamEvent, None]:
    """Opaque events, one a read; UsageReported, when there are figures, just before the end is handed on, so that
    they are known to whoever sees the end.

    Raises the error of an error frame, after what came before it; UpstreamUnavailable when the end is missing.
    """
    splitter = FrameSplitter()
    figures = b""
    ending: _Ending | None = None
    async with aclosing(chunks):
        async for chunk in chunks:
            run = splitter.feed(chunk)
            if b'"usage"' in run:
                figures = run
            if (b"[DONE]" in run or b'"error"' in run) and (ending := _ending(run, figures, format, provider)):
                break
            if run:
                yield Opaque(format, run)
        # The last frame may lack its empty line, which the standard wants and some servers forget.
        ending = ending or _ending(splitter.pending + b"\n\n", figures, format, provider) or _cut(provider)
        for event in ending.events:
            yield event
        if ending.error is not None:
            raise ending.error
        await drain(chunks)


def _cut(provider: str) -> _Ending:
    return _Ending(error=UpstreamUnavailable(f"'{provider}' ended the stream early.", provider=provider))


def _ending(run: bytes, figures: bytes, format: str, provider: str) -> _Ending | None:
    """What is left to be done, if the stream ends in `run`, by an error frame or a frame that says [DONE]."""
    for frame in _DATA.finditer(run):
        if b'"error"' in frame[1] and (error := error_in(frame[1], provider)):
            before = run[: frame.start()]
            return _Ending((Opaque(format, before),) if before else (), error)
    done = _DONE.search(run)
    if done is None:
        return None
    usage = _usage(figures)
    if usage is None:
        return _Ending((Opaque(format, run),))
    told, before = UsageReported(usage=usage), run[: done.start()]
    if before.endswith(_FRAME_ENDS):
        return _Ending((Opaque(format, before), told, Opaque(format, run[done.start() :])))
    return _Ending((told, Opaque(format, run)))


def _usage(figures: bytes) -> Usage | None:
    """The last figures count: some servers send a running total with each frame."""
    for frame in reversed(_DATA.findall(figures)):
        if b'"usage"' in frame and (usage := usage_in(frame)):
            return usage
    return None


async def drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Read to the end, so that the connection can serve again."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass
    except (TimeoutError, UpstreamError):
        return
