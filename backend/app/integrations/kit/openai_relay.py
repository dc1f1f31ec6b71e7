"""Handing on an OpenAI-style event stream, with eyes for three things only: an error frame, the figures of usage,
and the end. A chunk costs three searches for a short string.
"""

import re
from collections.abc import AsyncGenerator

from app.domain.events import Opaque, StreamEvent, UsageReported
from app.domain.usage import Usage
from app.integrations.kit import relay as kit
from app.integrations.kit.openai_peek import error_in, usage_in
from app.integrations.kit.relay import DATA, Ending, failed

_DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
_FRAME_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


def relay(chunks: AsyncGenerator[bytes, None], format: str, provider: str) -> AsyncGenerator[StreamEvent, None]:
    """As kit.relay has it. UsageReported, when there are figures, comes just before the end is handed on, so that
    they are known to whoever sees the end.
    """
    return kit.relay(chunks, format, provider, _Look(format, provider))


class _Look:
    def __init__(self, format: str, provider: str) -> None:
        self._format = format
        self._provider = provider
        self._figures = b""

    def __call__(self, run: bytes) -> Ending | None:
        """The stream ends by an error frame, or by a frame that says [DONE]."""
        if b'"usage"' in run:
            self._figures = run
        if b'"error"' in run and (failure := self._failure(run)):
            return failure
        done = _DONE.search(run) if b"[DONE]" in run else None
        return self._done(run, done.start()) if done else None

    def _failure(self, run: bytes) -> Ending | None:
        for frame in DATA.finditer(run):
            if b'"error"' in frame[1] and (error := error_in(frame[1], self._provider)):
                return failed(self._format, run, frame.start(), error)
        return None

    def _done(self, run: bytes, at: int) -> Ending:
        format, usage = self._format, _usage(self._figures)
        if usage is None:
            return Ending((Opaque(format, run),))
        told, before = UsageReported(usage=usage), run[:at]
        if before.endswith(_FRAME_ENDS):
            return Ending((Opaque(format, before), told, Opaque(format, run[at:])))
        return Ending((told, Opaque(format, run)))


def _usage(figures: bytes) -> Usage | None:
    """The last figures count: some servers send a running total with each frame."""
    for frame in reversed(DATA.findall(figures)):
        if b'"usage"' in frame and (usage := usage_in(frame)):
            return usage
    return None
