"""One line a call, for people and for grep.

Lines are gathered and written together, ten times a second: through a logging handler they were about an eighth
of a request in a sampled profile. At most the last tenth of a second is lost when the process is killed.
"""

import asyncio
import logging
import sys
import time

from app.inference.stages.account import CallRecord

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.1


class RequestLog:
    """A sink of Account. Silent unless the level is info or lower. Writes to standard error, as the log does."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._stamp = ""

    def __call__(self, record: CallRecord) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        self._lines.append(self._line(record))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what there is; to be called at the end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            sys.stderr.write("".join(lines))
            sys.stderr.flush()

    def _line(self, record: CallRecord) -> str:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._second))
        usage = record.usage
        tokens = f"{usage.input_tokens}+{usage.output_tokens}" if usage else "-"
        cache = f" cache={record.cached}" if record.cached else ""
        text = (
            f"{self._stamp},{int(now * 1000) % 1000:03d} INFO    {record.front_end} {record.id} "
            f"{record.operation} model={record.model} target={record.integration}/{record.target_model} "
            f"attempts={record.attempts} outcome={record.outcome} ms={record.seconds * 1000:.1f} tokens={tokens}"
            f"{cache}"
        )
        # A model's name is the caller's, and must not forge a line.
        return (text if text.isprintable() else ascii(text)) + "\n"
