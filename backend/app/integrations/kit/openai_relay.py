"""Handing on an OpenAI-style event stream, with eyes for three things only: an error frame, the figures of usage,
and the end. A chunk costs three searches for a short string.
"""

import re
from collections.abc import AsyncGenerator, Iterator

from app.domain.events import Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.kit import relay as kit
from app.integrations.kit.openai_peek import error_in, holds_usage_alone, usage_in
from app.integrations.kit.relay import DATA, Ending, failed, frame_end, frame_start

_DONE = b"[DONE]"
_COUNT = b'_tokens"'
_FRAME_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_NO_CHOICE = re.compile(rb'"choices"\s*:\s*\[\s*\]')


def relay(chunks: AsyncGenerator[bytes, None], format: str, provider: str) -> AsyncGenerator[StreamEvent, None]:
    """As kit.relay has it. UsageReported, when there are figures, comes just before the end is handed on, so that
    they are known to whoever sees the end.
    """
    return kit.relay(chunks, format, provider, _Look(format, provider))


def quiet_relay(
    chunks: AsyncGenerator[bytes, None], format: str, provider: str
) -> AsyncGenerator[StreamEvent, None]:
    """The same for a caller that did not ask for usage: without the frame that holds it and nothing else. Figures
    that a server has beside its text stay there.
    """
    return kit.relay(chunks, format, provider, _Look(format, provider, quiet=True))


class _Look:
    def __init__(self, format: str, provider: str, *, quiet: bool = False) -> None:
        self._format = format
        self._provider = provider
        self._quiet = quiet
        self._figures = b""

    def __call__(self, run: bytes) -> Ending | bytes | None:
        """The stream ends by an error frame, or by a frame that says [DONE]."""
        rest = run
        # Many servers have "usage":null in each frame when they are asked for it.
        if _COUNT in run and b'"usage"' in run:
            self._figures = run
            if self._quiet:
                rest = _without_figures(run)
        if b'"error"' in rest and (failure := self._failure(rest)):
            return failure
        if _DONE in rest and (done := _done_line(rest)) is not None:
            return self._done(rest, done)
        return None if rest is run else rest

    def _failure(self, run: bytes) -> Ending | None:
        for frame in DATA.finditer(run):
            if b'"error"' in frame[1] and (error := error_in(frame[1], self._provider)):
                return failed(self._format, run, frame.start(), error)
        return None

    def _done(self, run: bytes, at: int) -> Ending:
        format, usage = self._format, _usage(self._figures)
        if usage is None:
            return Ending((Opaque(format, run, last=True),))
        told, before = UsageReported(usage=usage), run[:at]
        if before.endswith(_FRAME_ENDS):
            return Ending((Opaque(format, before), told, Opaque(format, run[at:], last=True)))
        return Ending((told, Opaque(format, run, last=True)))


def _done_line(run: bytes) -> int | None:
    """Where the line begins that says it. A text may hold the same word."""
    at = run.find(_DONE)
    while at >= 0:
        line = run.rfind(b"\n", 0, at) + 1
        if run[line:at].rstrip(b" ") == b"data:":
            return line
        at = run.find(_DONE, at + 1)
    return None


def _without_figures(run: bytes) -> bytes:
    """`run` less its frames that hold usage and no choice."""
    for start, end, data in _counts(run):
        if _NO_CHOICE.search(data) and holds_usage_alone(data):
            run = run[:start] + run[end:]
    return run


def _usage(figures: bytes) -> Usage | None:
    """The last figures count: some servers send a running total with each frame."""
    found = (usage_in(data) for _, _, data in _counts(figures))
    return next((usage for usage in found if usage), None)


def _counts(run: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The frames that hold counts of tokens, the last one first: from where to where, and the JSON. Whoever wants
    one need not go through all that arrived before it.
    """
    before = len(run)
    while (at := run.rfind(_COUNT, 0, before)) >= 0:
        start, end = frame_start(run, at), frame_end(run, at)
        if data := DATA.search(run, start, end):
            yield start, end, data[1]
        before = start
