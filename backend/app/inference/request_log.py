"""One line a call, for people and for grep; JSON where the log is.

Lines are gathered and written together, ten times a second: through a logging handler they were about an eighth
of a request in a sampled profile. At most the last tenth of a second is lost when the process is killed.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Callable

import msgspec

from app.core.log_lines import Format, Stamp, json_line, printable, without_secrets, writes_json
from app.core.redaction import redact
from app.domain.usage import Usage
from app.inference.stages.account import CallRecord

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.1
_NOTHING = Usage()


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """The line as JSON. Times in milliseconds; what does not apply is left out. `key`: the id of the key that was
    shown, `model`: as it was asked for, `target`: who answered, or was asked last; `failures`: the targets that
    failed before, and how. `tokens_estimated`: nobody told.
    """

    time: str
    level: str
    logger: str
    message: str
    request_id: str
    front_end: str
    operation: str
    model: str
    outcome: str
    duration_ms: float
    principal: str
    attempts: int
    trace_id: str | None = None
    key: str | None = None
    team: str | None = None
    tier: str | None = None
    target: str | None = None
    stream: bool = False
    cached: str | None = None
    error: str | None = None
    failures: list[str] = []
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    tokens_estimated: bool = False
    cost_usd: float | None = None
    first_event_ms: float | None = None
    queue_ms: float | None = None


class RequestLog:
    """A sink of Account. Silent unless the level is info or lower. Writes to standard error, as the log does."""

    def __init__(self, format: Format = "text") -> None:
        self._lines: list[str] = []
        self._words: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._stamp = Stamp()
        self._line: Callable[[CallRecord], str] = self._text
        self._clean: Callable[[str], str] = redact
        if writes_json(format):
            self._line, self._clean = self._json, without_secrets

    def __call__(self, record: CallRecord) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        self._lines.append(self._line(record))
        self._words.append(_words(record))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what there is; to be called at the end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, words = self._lines, self._words
        self._lines, self._words = [], []
        if lines:
            # A full disk or a reader that is gone: there is nowhere to tell it, and nobody else's matter.
            with contextlib.suppress(OSError):
                sys.stderr.write("".join(self._cleaned(lines, words)))
                sys.stderr.flush()

    def _cleaned(self, lines: list[str], words: list[str]) -> list[str]:
        """Without secrets. It is looked for them where somebody else worded something, in all lines at once first:
        doing that line by line took more of Python's instructions than making the line (224 and 191).
        """
        if _harmless("\n".join(words)):
            return lines
        return [line if _harmless(each) else self._clean(line) for line, each in zip(lines, words, strict=True)]

    def _json(self, record: CallRecord) -> str:
        usage = record.usage
        told = usage or _NOTHING
        failures: list[str] = []
        waited = 0.0
        for tried in record.tried:
            waited += tried.waited
            if tried.failure is not None:
                failures.append(f"{tried.integration}/{tried.model}: {tried.failure}")
        line = Line(
            time=self._stamp.utc(time.time()),
            level="info",
            logger="request",
            message=f"{record.front_end} {record.operation} {record.outcome}",
            request_id=record.id,
            front_end=record.front_end,
            operation=record.operation,
            model=record.model,
            outcome=record.outcome,
            duration_ms=_ms(record.seconds),
            principal=record.principal,
            attempts=record.attempts,
            trace_id=None if record.trace is None else record.trace.id,
            key=record.key,
            team=record.team,
            tier=record.tier,
            target=None if record.integration is None else f"{record.integration}/{record.target_model}",
            stream=record.stream,
            cached=record.cached,
            error=record.error,
            failures=failures,
            input_tokens=None if usage is None else usage.input_tokens,
            output_tokens=None if usage is None else usage.output_tokens,
            cached_tokens=told.cached_tokens or None,
            tokens_estimated=told.estimated,
            cost_usd=record.cost,
            first_event_ms=None if record.first_event_seconds is None else _ms(record.first_event_seconds),
            queue_ms=_ms(waited) if waited else None,
        )
        return json_line(line) + "\n"

    def _text(self, record: CallRecord) -> str:
        usage = record.usage
        tokens = f"{usage.input_tokens}+{usage.output_tokens}" if usage else "-"
        optional = (
            ("cache", record.cached),
            ("key", record.key),
            ("cost", None if record.cost is None else f"${record.cost:.6f}"),
            ("trace", None if record.trace is None else record.trace.id),
            ("error", record.error),
        )
        rest = "".join([f" {name}={value}" for name, value in optional if value is not None])
        target = "-" if record.integration is None else f"{record.integration}/{record.target_model}"
        text = (
            f"{self._stamp.local(time.time())} INFO    {record.front_end} {record.id} "
            f"{record.operation} model={record.model} target={target} "
            f"attempts={record.attempts} outcome={record.outcome} ms={record.seconds * 1000:.1f} tokens={tokens}"
            f"{rest}"
        )
        return printable(text) + "\n"


def _words(record: CallRecord) -> str:
    """What in its line is not ours."""
    tried = [each.model for each in record.tried]
    texts = (record.id, record.model, record.target_model, record.principal, record.team, record.error, *tried)
    return "\n".join(filter(None, texts))


def _harmless(text: str) -> bool:
    """Whether no secret stands in it."""
    return redact(text) == text


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
