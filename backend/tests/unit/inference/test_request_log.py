"""The line that a call leaves behind."""

import logging
from collections.abc import Iterator

import pytest

from app.domain.usage import Usage
from app.inference.request_log import RequestLog
from app.inference.stages.account import CallRecord

LOGGER = logging.getLogger("app.inference.request_log")


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    LOGGER.setLevel(logging.INFO)
    yield
    LOGGER.setLevel(logging.NOTSET)


def record(model: str = "fast") -> CallRecord:
    return CallRecord(
        id="req-1",
        principal="local",
        front_end="openai_api",
        operation="chat",
        model=model,
        integration="ollama",
        target_model="llama",
        attempts=2,
        outcome="ok",
        seconds=0.0123,
        first_event_seconds=0.01,
        usage=Usage(input_tokens=3, output_tokens=4),
    )


async def test_lines_come_together_and_tell_all(capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog()
    log(record())
    log(record("other"))
    assert capsys.readouterr().err == ""
    log.flush()
    first, second = capsys.readouterr().err.splitlines()
    assert "req-1 chat model=fast target=ollama/llama attempts=2 outcome=ok ms=12.3 tokens=3+4" in first
    assert "model=other" in second
    log.flush()
    assert capsys.readouterr().err == ""


async def test_a_name_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog()
    log(record("x\n2026 INFO all is well\x1b[2J"))
    log.flush()
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_it_is_silent_above_info(capsys: pytest.CaptureFixture[str]) -> None:
    LOGGER.setLevel(logging.WARNING)
    log = RequestLog()
    log(record())
    log.flush()
    assert capsys.readouterr().err == ""
