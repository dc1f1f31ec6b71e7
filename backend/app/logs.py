"""How the platform logs: to standard error, a line a record, without secrets, control characters made harmless.

People at a terminal get text; anything else gets JSON, an object a line.
"""

import logging
import sys
import threading
from types import TracebackType

from app.core.log_lines import Format, Stamp, json_line, printable, writes_json
from app.core.redaction import redact


class _Text(logging.Formatter):
    """A traceback stands below its line, behind a bar, so that none of it can pass for another record."""

    def __init__(self) -> None:
        super().__init__()
        self._stamp = Stamp()

    def format(self, record: logging.LogRecord) -> str:
        name = " ".join(filter(None, (record.name, getattr(record, "request_id", ""))))
        line = f"{self._stamp.local(record.created)} {record.levelname:<7} {name}: {record.getMessage()}"
        lines = [printable(line), *(f"  | {printable(each)}" for each in _exception(self, record).splitlines())]
        return redact("\n".join(lines))


class _Json(logging.Formatter):
    def __init__(self) -> None:
        super().__init__()
        self._stamp = Stamp()

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self._stamp.utc(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if id := getattr(record, "request_id", None):
            line["request_id"] = id
        if text := _exception(self, record):
            line["exception"] = redact(text)
        return json_line(line)


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info and record.exc_info[0] else []
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def configure_logging(level: str, format: Format = "auto") -> None:
    """`level`: debug, info, warning or error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if writes_json(format) else _Text())
    # Nothing prints a record's thread, process or place in the code, and finding them out is half of its cost.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, root.level))
    logging.getLogger("aiosqlite").setLevel(logging.INFO)  # below it tells what is stored, answers and all
    # These would write to standard error past the log, tracebacks and all.
    logging.captureWarnings(True)
    sys.excepthook = _told
    threading.excepthook = lambda failed: _told(failed.exc_type, failed.exc_value, failed.exc_traceback)


def _told(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("app").critical("defect", exc_info=(kind, error, traceback))
