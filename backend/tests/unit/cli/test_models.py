"""`llm-platform models`, against a server."""

import json

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


def test_pull(platform: FakePlatform, command: Command) -> None:
    platform.stream(
        "POST /models/pull",
        {"model": "m", "status": "pulling manifest"},
        {"model": "m", "status": "downloading", "completed_bytes": 5, "total_bytes": 10},
        {"model": "m", "status": "success"},
    )
    result = command("models", "pull", "ollama/m")
    assert platform.asked[0].body == {"model": "ollama/m"}
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "ollama/m is here.")


def test_pull_as_json(platform: FakePlatform, command: Command) -> None:
    steps = [{"status": "downloading", "completed_bytes": 5}, {"status": "success"}]
    platform.stream("POST /models/pull", *steps)
    result = command("models", "pull", "m", "-o", "json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == steps


def test_a_pull_that_fails_half_way(platform: FakePlatform, command: Command) -> None:
    error = {"error": {"message": "The disk is full.", "type": "server_error"}}
    platform.stream("POST /models/pull", {"status": "downloading"}, error)
    result = command("models", "pull", "m")
    assert (result.exit_code, result.stderr) == (1, "The disk is full.\n")


def test_a_pull_that_just_ends(platform: FakePlatform, command: Command) -> None:
    platform.stream("POST /models/pull", {"status": "downloading"})
    result = command("models", "pull", "m")
    assert result.exit_code == 1
    assert result.stderr.startswith("The connection ended before the model was there.")


def test_rm_load_unload(platform: FakePlatform, command: Command) -> None:
    platform.answer("DELETE /models/a/b:1%3F", {"deleted": True})
    platform.answer("POST /models/load", {"loaded": True})
    platform.answer("POST /models/unload", {"loaded": False})
    said = [
        command("models", "rm", "a/b:1?").stdout,
        command("models", "load", "m").stdout,
        command("models", "unload", "m").stdout,
    ]
    assert said == ["a/b:1? is deleted.\n", "m is loaded.\n", "m is unloaded.\n"]
    assert [asked.body for asked in platform.asked] == [None, {"model": "m"}, {"model": "m"}]
