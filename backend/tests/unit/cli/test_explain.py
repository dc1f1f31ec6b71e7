"""`llm-platform explain`, against a server."""

import json
import time

from tests.unit.cli.conftest import Command, FakePlatform

TOLD = {
    "id": "req-1",
    "started_at": 0.0,
    "front_end": "openai_api",
    "operation": "chat",
    "principal": "ann",
    "model": "fast",
    "meant": "a configured model",
    "policy": {"strategy": "cheapest", "retries": 1, "fallbacks": ["spare"], "hedge_after": 0.5},
    "prompt": "about 9000",
    "candidates": [
        {"model": "fast", "target": "a/x", "priority": 1, "score": 0.25, "note": "has just failed"},
        {"model": "fast", "target": "b/x", "priority": 2, "score": None, "excluded": "\x1b[2J failed too often"},
        {"model": "nowhere", "target": None, "priority": 1, "score": None, "excluded": "no such model"},
    ],
    "attempts": [
        {"model": "fast", "target": "a/x", "at_ms": 0.1, "ms": 12.3, "queued_ms": 0.0, "result": "failed",
         "hedge": False, "error": "unavailable", "message": "'a' is down.", "dropped": []},
        {"model": "spare", "target": "c/y", "at_ms": 15.0, "ms": 700.0, "queued_ms": 20.0, "result": "answered",
         "hedge": True, "error": None, "message": None, "dropped": ["top_k", "seed"]},
    ],
    "outcome": "ok",
    "error": None,
    "stopped": "No other target could be asked.",
    "cached": None,
    "charged": ["key: requests a minute"],
    "tokens": {"input": 9000, "output": 20, "cached": 100, "estimated": True},
    "cost": 0.0123,
    "queued_ms": 20.0,
    "first_event_ms": 735.04,
    "duration_ms": 800.0,
}  # fmt: skip


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_for_people(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /v1/requests/req-1/explain", TOLD | {"started_at": time.time() - 600})
    result = command("explain", "req-1")
    assert result.exit_code == 0
    told = rows(result.stdout)
    for row in (
        ["REQUEST", "req-1"],
        ["asked for", "fast: a configured model"],
        ["policy", "cheapest; 1 retry; hedged after 0.5 s; fallbacks: spare"],
        ["prompt", "about 9000 tokens"],
        ["outcome", "ok"],
        ["no further try", "No other target could be asked."],
        ["times", "800.0 ms in all, 735.0 ms to the first piece, 20.0 ms in line"],
        ["tokens", "9000 in, 20 out, 100 of them cached (estimated); $0.012300"],
        ["counted for", "key: requests a minute"],
        ["who", "ann through openai_api (chat), 10 min ago"],
        ["a/x", "fast", "1", "0.25", "has just failed"],
        ["b/x", "fast", "2", "\N{REPLACEMENT CHARACTER}[2J failed too often"],
        ["nowhere", "1", "no such model"],
        ["a/x", "fast", "0.1 ms", "12.3 ms", "failed: 'a' is down."],
        ["c/y (hedge)", "spare", "15.0 ms", "20.0 ms", "700.0 ms", "answered", "top_k, seed"],
    ):
        assert row in told


def test_for_programs(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /v1/requests/req-1/explain", TOLD)
    assert json.loads(command("explain", "req-1", "--output", "json").stdout) == TOLD


def test_what_little_there_is_of_a_refused_request(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /v1/requests/req-2/explain", {"id": "req-2", "model": "nobody", "outcome": "not_found"})
    result = command("explain", "req-2")
    assert ["asked for", "nobody"] in rows(result.stdout)
    assert "No target was looked at." in result.stdout
    assert "No provider was asked." in result.stdout


def test_an_unknown_request(platform: FakePlatform, command: Command) -> None:
    result = command("explain", "nothing")
    assert (result.exit_code, result.stderr) == (1, "There is no such thing.\n")
