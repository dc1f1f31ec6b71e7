"""`llm-platform models`, against a server."""

import json
import time
from collections.abc import Iterator

import pytest

from app.cli import model_jobs
from tests.unit.cli.conftest import Asked, Command, FakePlatform

MODELS = {
    "models": [
        {
            "id": "llama3",
            "provider": "ollama",
            "capabilities": ["tools", "chat"],
            "context_window": 8192,
            "size_bytes": 4_661_224_676,
            "loaded": True,
            "available": True,
            "price": {"input": 0.25, "output": 2.0, "cached_input": None},
        },
        {"id": "[red]gpt\x1b[2J", "provider": "openai", "available": False},
    ]
}


def test_list(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /models", MODELS)
    result = command("models", "list")
    head, _, first, second = result.stdout.splitlines()
    assert head.split() == ["MODEL", "INTEGRATION", "CAN", "CONTEXT", "SIZE", "LOADED", "$", "IN", "/", "OUT"]
    assert first.split() == ["llama3", "ollama", "chat,", "tools", "8192", "4.7", "GB", "yes", "0.25", "/", "2"]
    assert second.split() == ["[red]gpt\N{REPLACEMENT CHARACTER}[2J", "openai", "(not", "available)", "chat"]
    assert result.exit_code == 0


def test_list_as_json(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /models", MODELS)
    assert json.loads(command("models", "list", "--output", "json").stdout) == MODELS


def test_no_models(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /models", {"models": []})
    assert command("models", "list").stdout.startswith("No models.")


def test_the_key_is_sent(platform: FakePlatform, command: Command) -> None:
    platform.answer("GET /models", {"models": []})
    command("models", "list", "--api-key", "secret")
    assert platform.asked == [Asked("GET", "/models", "Bearer secret", None)]


JOB = {"id": "job_1", "kind": "pull", "integration": "ollama", "model": "m", "created_at": 0.0}
BEGUN = {**JOB, "state": "queued"}
HALF = {**JOB, "state": "running", "step": "downloading", "completed_bytes": 5, "total_bytes": 10}
DONE = {**JOB, "state": "done", "completed_bytes": 10, "total_bytes": 10}


def test_pull(platform: FakePlatform, command: Command) -> None:
    platform.stream("POST /models/pull", BEGUN, HALF, DONE)
    result = command("models", "pull", "ollama/m")
    assert platform.asked[0].body == {"model": "ollama/m", "stream": True}
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "ollama/m is here.")


def test_a_pull_says_what_was_taken_and_why(platform: FakePlatform, command: Command) -> None:
    details = {"files": ["m-Q4_K_M.gguf"], "why": "Q4_K_M (1.0 GB) fits", "revision": "abc"}
    platform.stream("POST /models/pull", BEGUN, {**DONE, "details": details})
    *_, files, why, last = command("models", "pull", "hf:org/m").stdout.splitlines()
    assert (files, why, last) == ("m-Q4_K_M.gguf", "Q4_K_M (1.0 GB) fits", "hf:org/m is here.")


def test_pull_as_json(platform: FakePlatform, command: Command) -> None:
    platform.stream("POST /models/pull", BEGUN, HALF, DONE)
    result = command("models", "pull", "m", "-o", "json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [BEGUN, HALF, DONE]


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([HALF, {**JOB, "state": "failed", "error": "The disk is full."}], "The disk is full.\n"),
        ([HALF, {**JOB, "state": "cancelled"}], "It was cancelled."),
        ([HALF], "The connection ended; the platform goes on."),
        ([], "does not answer as an LLM platform does."),
        ([{"what": 1}], "does not answer as an LLM platform does."),
    ],
)
def test_a_pull_that_ends_otherwise(
    platform: FakePlatform, command: Command, states: list[object], said: str
) -> None:
    platform.stream("POST /models/pull", *states)
    result = command("models", "pull", "m")
    assert result.exit_code == 1
    assert said in result.stderr


def test_leaving_a_pull_says_how_to_stop_it(
    platform: FakePlatform, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(states: Iterator[object]) -> None:
        next(states)
        raise KeyboardInterrupt

    monkeypatch.setattr(model_jobs, "_show_progress", interrupted)
    platform.stream("POST /models/pull", BEGUN, HALF, DONE)
    result = command("models", "pull", "m")
    assert result.exit_code == 130
    assert "`llm-platform models cancel job_1` stops it" in result.stderr


def test_jobs(platform: FakePlatform, command: Command) -> None:
    failed = {**JOB, "id": "job_0", "state": "failed", "error": "\x1b[2J gone"}
    platform.answer("GET /models/jobs", {"jobs": [HALF, failed]})
    head, _, first, second = command("models", "jobs").stdout.splitlines()
    assert head.split() == ["JOB", "DOES", "MODEL", "STATE", "OF", "BEGUN"]
    assert first.split()[:8] == ["job_1", "pull", "ollama/m", "downloading", "5", "B", "10", "B"]
    assert "\N{REPLACEMENT CHARACTER}[2J gone" in second
    assert json.loads(command("models", "jobs", "-o", "json").stdout) == {"jobs": [HALF, failed]}


def test_search(platform: FakePlatform, command: Command) -> None:
    found = {
        "models": [
            {"name": "hf:org/m", "gated": True, "formats": ["gguf"], "parameters": 494032768, "downloads": 1234567}
        ]
    }
    platform.answer("GET /models/search?q=a+b&limit=20&tags=gguf", found)
    head, _, row = command("models", "search", "a b").stdout.splitlines()
    assert head.split() == ["NAME", "FOR", "FORMATS", "PARAMETERS", "CONTEXT", "LICENCE", "DOWNLOADS", "UPDATED"]
    assert row.split() == ["hf:org/m", "(gated)", "gguf", "0.5", "B", "1,234,567"]
    platform.answer("GET /models/search?q=none&limit=3&author=org", {"models": []})
    said = command("models", "search", "none", "--limit", "3", "--author", "org", "--tags", "")
    assert said.stdout.startswith("Nothing was found.")


def test_cancel(platform: FakePlatform, command: Command) -> None:
    platform.answer("DELETE /models/jobs/job_1", {**JOB, "state": "cancelled"})
    assert command("models", "cancel", "job_1").stdout == "job_1 is cancelled.\n"
    assert command("models", "cancel", "nosuch").stderr == "There is no such thing.\n"
    assert "can't be a name" in command("models", "cancel", "../x").stderr
    assert [each.path for each in platform.asked] == ["/models/jobs/job_1", "/models/jobs/nosuch"]


def test_rm_unload_pin_unpin(platform: FakePlatform, command: Command) -> None:
    platform.answer("DELETE /models/a/b:1%3F", {"deleted": True})
    for verb in ("unload", "pin", "unpin"):
        platform.answer(f"POST /models/{verb}", {})
    said = [
        command("models", "rm", "a/b:1?").stdout,
        *(command("models", verb, "m").stdout for verb in ("unload", "pin", "unpin")),
    ]
    assert said == ["a/b:1? is deleted.\n", "m is unloaded.\n", "m is pinned.\n", "m makes room again.\n"]
    assert [asked.body for asked in platform.asked] == [None, *[{"model": "m"}] * 3]


def test_load(platform: FakePlatform, command: Command) -> None:
    loading = {**HALF, "kind": "load", "step": "reading"}
    platform.stream("POST /models/load", BEGUN, loading, DONE)
    result = command("models", "load", "ollama/m")
    assert platform.asked[0].body == {"model": "ollama/m", "stream": True}
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "ollama/m is loaded.")
    platform.stream("POST /models/load", loading, {**loading, "state": "cancelled"})
    assert command("models", "load", "m").stderr.endswith("It was cancelled.\n")


def test_ps(platform: FakePlatform, command: Command) -> None:
    here = {
        "status": "loaded",
        "mode": "generation",
        "memory_bytes": 1_500_000_000,
        "location": "cpu",
        "since": time.time() - 300,
        "last_used": time.time() - 7,
        "users": 2,
    }
    coming = {"status": "loading", "stage": "reading", "fraction": 0.25, "pinned": True}
    models = [
        {"id": "small", "provider": "custom_models", "model": "demo", "residents": [here, coming]},
        {"id": "demo", "provider": "custom_models", "model": "demo", "residents": [here, coming]},
        {"id": "idle", "provider": "custom_models", "model": "idle"},
    ]
    platform.answer("GET /models", {"models": models})
    head, _, *rows = command("models", "ps").stdout.splitlines()
    assert head.split() == ["MODEL", "STATE", "FOR", "MEMORY", "WHERE", "SINCE", "USED", "USERS", "UNTIL"]
    assert [row.split() for row in rows] == [
        [
            "custom_models/demo",
            "loaded",
            "generation",
            "1.5",
            "GB",
            "cpu",
            "5",
            "min",
            "ago",
            "7",
            "s",
            "ago",
            "2",
        ],
        ["custom_models/demo", "reading", "25%", "pinned"],
    ]
    assert json.loads(command("models", "ps", "-o", "json").stdout) == {"models": models[:2]}
    platform.answer("GET /models", {"models": models[2:]})
    assert command("models", "ps").stdout.startswith("No model is in memory")
