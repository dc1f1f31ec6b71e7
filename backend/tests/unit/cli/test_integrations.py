"""`llm-platform integrations`, against a server."""

import json
import time

import pytest

from tests.unit.cli.conftest import Command, FakePlatform


def status(**fields: object) -> dict[str, object]:
    now = time.time()
    return {
        "name": "ollama",
        "type": "model_platform",
        "kind": "ollama",
        "state": "retrying",
        "reason": "connection refused",
        "since": now - 600,
        "priority": 100,
        "next_retry_at": now + 100,
        "dependencies": ["a", "b"],
        "last_check": {"at": now - 7200, "latency_ms": 12.4, "ok": False},
    } | fields


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_list(platform: FakePlatform, command: Command, arguments: tuple[str, ...]) -> None:
    platform.answer("GET /integrations/status", {"integrations": [status()]})
    head, _, row = command("integrations", *arguments).stdout.splitlines()
    assert head.split("  ")[0] == "INTEGRATION"
    cells = [cell.strip() for cell in row.split("  ") if cell.strip()]
    assert cells == ["ollama", "retrying", "10 min ago", "in 100 s", "bad, 12 ms, 2 h ago", "connection refused"]


@pytest.mark.parametrize("arguments", [("--output", "json"), ("list", "--output", "json")])
def test_list_as_json(platform: FakePlatform, command: Command, arguments: tuple[str, ...]) -> None:
    answer = {"integrations": [status()]}
    platform.answer("GET /integrations/status", answer)
    assert json.loads(command("integrations", *arguments).stdout) == answer


def test_status(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /integrations/my%20one/status", status(last_check=None))
    rows = {
        line.split()[0]: line.split()[1:]
        for line in command("integrations", "status", "my one").stdout.splitlines()
    }
    assert rows["state"] == ["retrying"]
    assert rows["needs"] == ["a,", "b"]
    assert rows["last"] == ["check"]


def test_status_tells_the_details_of_the_last_check(platform: FakePlatform, command: Command) -> None:
    details = {
        "models": ["a", "b"],
        "running": 0,
        "unsupported": {"x.gguf": "cut short", "y.bin": "old"},
        "no": {},
    }
    check = {"at": time.time(), "latency_ms": 1.0, "ok": True, "details": details}
    platform.answer("GET /integrations/custom_models/status", status(last_check=check))
    lines = command("integrations", "status", "custom_models").stdout.splitlines()
    told = [" ".join(line.split()) for line in lines[-4:]]
    assert told == ["models a, b", "running 0", "unsupported x.gguf: cut short", "unsupported y.bin: old"]


def test_restart(platform: FakePlatform, command: Command) -> None:
    platform.answer("POST /integrations/ollama/restart", status(state="ready"))
    assert command("integrations", "restart", "ollama").stdout == "ollama is ready.\n"


def test_a_restart_that_fails(platform: FakePlatform, command: Command) -> None:
    platform.answer("POST /integrations/ollama/restart", status(state="failed", reason="bad key"))
    result = command("integrations", "restart", "ollama")
    assert (result.exit_code, result.stderr) == (1, "ollama has failed: bad key\n")
