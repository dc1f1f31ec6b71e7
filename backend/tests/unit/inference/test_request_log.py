"""The line that a call leaves behind."""

import errno
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.calls import Tried
from app.domain.tracing import Trace
from app.domain.usage import Usage
from app.inference.request_log import RequestLog
from app.inference.stages.account import CallRecord

LOGGER = logging.getLogger("app.inference.request_log")


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    LOGGER.setLevel(logging.INFO)
    yield
    LOGGER.setLevel(logging.NOTSET)


def record(model: str = "fast", **fields: Any) -> CallRecord:
    usual = {
        "id": "req-1",
        "principal": "local",
        "front_end": "openai_api",
        "operation": "chat",
        "integration": "ollama",
        "target_model": "llama",
        "attempts": 2,
        "outcome": "ok",
        "seconds": 0.0123,
        "first_event_seconds": 0.01,
        "usage": Usage(input_tokens=3, output_tokens=4),
    }
    return CallRecord(model=model, **{**usual, **fields})


async def test_lines_come_together_and_tell_all(capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog()
    log(record(key="key-1", cost=0.25, trace=Trace("a" * 32, "")))
    log(record("other"))
    assert capsys.readouterr().err == ""
    log.flush()
    first, second = capsys.readouterr().err.splitlines()
    assert "req-1 chat model=fast target=ollama/llama attempts=2 outcome=ok ms=12.3 tokens=3+4" in first
    assert first.endswith(f"key=key-1 cost=$0.250000 trace={'a' * 32}")
    assert "model=other" in second
    log.flush()
    assert capsys.readouterr().err == ""


async def test_people_read_why_a_call_failed(capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog()
    log(record(integration=None, target_model=None, outcome="unavailable", usage=None, error="'x' is away.\n"))
    log.flush()
    line = capsys.readouterr().err
    assert "target=- attempts=2 outcome=unavailable" in line
    assert line.endswith("tokens=- error='x' is away.\\n\n")


@pytest.mark.parametrize("format", ["text", "json"])
async def test_a_name_cannot_forge_a_line(format: Any, capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog(format)
    log(record("x\n2026 INFO all is well\x1b[2J\x9b"))
    log.flush()
    line, end = capsys.readouterr().err.split("\n")
    assert line.isprintable()
    assert end == ""


async def test_it_is_silent_above_info(capsys: pytest.CaptureFixture[str]) -> None:
    LOGGER.setLevel(logging.WARNING)
    log = RequestLog()
    log(record())
    log.flush()
    assert capsys.readouterr().err == ""


async def test_as_json_it_says_all_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog("json")
    tried = (
        Tried("fast", "cloud", "gpt", 0.1, failure="unavailable", message="words", waited=0.25),
        Tried("fast", "ollama", "llama", 0.1),
    )
    log(
        record(
            key="key-1", team="red", tier="free", cost=0.25, trace=Trace("a" * 32, ""), tried=tried, stream=True
        )
    )
    log.flush()
    line = json.loads(capsys.readouterr().err)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "request",
        "message": "openai_api chat ok",
        "request_id": "req-1",
        "trace_id": "a" * 32,
        "front_end": "openai_api",
        "operation": "chat",
        "model": "fast",
        "target": "ollama/llama",
        "outcome": "ok",
        "principal": "local",
        "key": "key-1",
        "team": "red",
        "tier": "free",
        "attempts": 2,
        "failures": ["cloud/gpt: unavailable"],
        "stream": True,
        "duration_ms": 12.3,
        "first_event_ms": 10.0,
        "queue_ms": 250.0,
        "input_tokens": 3,
        "output_tokens": 4,
        "cost_usd": 0.25,
    }


@pytest.mark.parametrize("format", ["text", "json"])
async def test_a_key_for_a_model_is_not_written(format: Any, capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog(format)
    log(record("sk-canary-0123456789"))
    log.flush()
    assert "canary" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ('bearer abcdef"x', '[redacted]"x'),
        ("api_key=abcdefg\\", "[redacted]"),
        ('say "api_key": "canary123"', 'say "[redacted]"'),
        ("plain \\ 'words' \"here\"", "plain \\ 'words' \"here\""),
    ],
)
async def test_what_is_taken_out_leaves_json(model: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog("json")
    tried = Tried("fast", "cloud", model, 0.1, failure="unavailable")
    log(record(model, error=f"{model} is not known", tried=(tried,)))
    log(record("harmless"))
    log.flush()
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert first["model"] == told
    assert first["error"] == f"{told} is not known"
    assert first["failures"][0].startswith(f"cloud/{told}")
    assert (second["model"], second["attempts"], second["duration_ms"]) == ("harmless", 2, 12.3)


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_log_that_takes_nothing_is_nobodys_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Full())
    log = RequestLog()
    log(record())
    log.flush()
