"""How a record is written, for people and for machines."""

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from app.core.log_lines import Format
from app.logs import configure_logging

CANARY = "sk-canary-0123456789abcdef"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """What is global comes back."""
    root = logging.getLogger()
    before = root.handlers[:], sys.excepthook, threading.excepthook
    flags = logging.logThreads, logging.logProcesses, logging.logMultiprocessing
    yield
    root.handlers[:], sys.excepthook, threading.excepthook = before
    logging.logThreads, logging.logProcesses, logging.logMultiprocessing = flags
    logging.captureWarnings(False)
    for name in ("uvicorn.error", "aiosqlite"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def written(
    monkeypatch: pytest.MonkeyPatch, format: Format, *, level: str = "info", terminal: bool = False
) -> io.StringIO:
    """Standard error, from now on."""
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(level, format)
    return stream


@pytest.mark.parametrize(
    ("format", "terminal", "is_json"),
    [("auto", True, False), ("auto", False, True), ("text", False, False), ("json", True, True)],
)
def test_who_reads_it(format: Format, terminal: bool, is_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = written(monkeypatch, format, terminal=terminal)
    logging.getLogger("app.x").warning("hello %s", "you")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("{") is is_json
    if is_json:
        told = json.loads(line)
        assert (told["level"], told["logger"], told["message"]) == ("warning", "app.x", "hello you")
        assert told["time"].endswith("Z")
    else:
        assert line.endswith("WARNING app.x: hello you")


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_line_of_a_request_has_its_id(format: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = written(monkeypatch, format)
    logging.getLogger("request").info("refused", extra={"request_id": "req-7"})
    (line,) = stream.getvalue().splitlines()
    assert (
        json.loads(line)["request_id"] == "req-7" if format == "json" else line.endswith("request req-7: refused")
    )


@pytest.mark.parametrize(("level", "count"), [("debug", 2), ("info", 1), ("warning", 0)])
def test_the_level(level: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = written(monkeypatch, "json", level=level)
    logging.getLogger("app.x").info("a")
    logging.getLogger("app.x").debug("b")
    assert len(stream.getvalue().splitlines()) == count


@pytest.mark.parametrize("format", ["text", "json"])
def test_nothing_in_a_message_forges_a_line_or_speaks_to_the_terminal(
    format: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = written(monkeypatch, format)
    try:
        raise ValueError("a\n2026-11-29 00:00:00,000 INFO    app: all is well")
    except ValueError:
        logging.getLogger("app").exception("x\n2026 INFO all is well\x1b[2J\x9b\u2028\u202e")
    lines = stream.getvalue().split("\n")
    assert not any(line.startswith("2026-11-29 00:00:00") for line in lines)
    assert all(line.isprintable() for line in lines)
    if format == "json":
        told = json.loads(stream.getvalue())
        assert told["message"] == "x\n2026 INFO all is well\x1b[2J\x9b\u2028\u202e"
        assert "ValueError" in told["exception"]
    else:
        assert all(line.startswith("  | ") for line in lines[1:-1])


def _fails() -> None:
    raise RuntimeError(f"Authorization: Bearer {CANARY}")


def _as_message() -> None:
    logging.getLogger("aiohttp.client").warning("sent %s", {"x-api-key": CANARY})


def _as_traceback() -> None:
    try:
        _fails()
    except RuntimeError:
        logging.getLogger("app").exception("defect")


def _as_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # what catch_warnings has put back is not the log's
        logging.captureWarnings(True)
        warnings.warn(f"https://user:{CANARY}@host is deprecated", DeprecationWarning, stacklevel=1)


def _as_the_end_of_a_thread() -> None:
    thread = threading.Thread(target=_fails)
    thread.start()
    thread.join()


def _as_the_end_of_the_process() -> None:
    try:
        _fails()
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize(
    "tell", [_as_message, _as_traceback, _as_warning, _as_the_end_of_a_thread, _as_the_end_of_the_process]
)
def test_no_secret_is_written(format: Format, tell: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(tell)
    stream = written(monkeypatch, format)
    tell()
    assert "[redacted]" in stream.getvalue()
    assert "canary" not in stream.getvalue()
