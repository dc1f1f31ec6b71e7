"""`llm-platform config`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.program import program

CANARY = "canary-51c0"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LLM_PLATFORM_API_KEY", "LLM_PLATFORM_CONFIG", "LOG_LEVEL", "OLLAMA_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def write(content: str) -> None:
    Path("llm-platform.yaml").write_text(content)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(program, ["config", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_check_of_a_good_file() -> None:
    write("integrations: {custom_models: {enabled: false}}\nlog_level: debug")
    assert run("check") == (0, "llm-platform.yaml is valid.\n", "")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("server: {port: x}", "llm-platform.yaml:1: server.port: must be an integer (got 'x')"),
        (
            "server:\n  host: 0.0.0.0",
            "server.host: 0.0.0.0 can be reached from other machines, and no key is set: "
            "set LLM_PLATFORM_API_KEY or bind 127.0.0.1",
        ),
        (
            "integrations: {lama: {enabled: false}}\nmodels:\n  fast: llama/x",
            "llm-platform.yaml:3: models.fast[0].target: no integration 'llama'; did you mean 'lama'?",
        ),
        (
            "integrations:\n  mine: {enabled: false, dependencies: [mein]}",
            "llm-platform.yaml:2: integrations.mine.dependencies: no integration 'mein'; did you mean 'mine'?",
        ),
        (
            "log_level: info\ncache: {store: redis}\nintegrations: {redis: {enabled: false}}",
            "llm-platform.yaml:2: cache.store: no integration of the kind 'redis' is enabled: set REDIS_URL",
        ),
        (
            "integrations:\n  one:\n    kind: ollama\n    settings:\n      num_ctxt: 4",
            "llm-platform.yaml:5: integrations.one.settings: unknown field 'num_ctxt'; did you mean 'num_ctx'?",
        ),
        (
            "integrations:\n  one:\n    kind: ollama\n    settings:\n      num_ctx: many",
            "llm-platform.yaml:5: integrations.one.settings.num_ctx: must be an integer (got 'many')",
        ),
    ],
)
def test_check_of_a_bad_one(content: str, line: str) -> None:
    write(content)
    code, said, told = run("check")
    assert (code, said) == (1, "")
    assert line in told.splitlines()


def test_check_of_an_unknown_kind() -> None:
    write("integrations:\n  one: {kind: nonsense}")
    code, _, told = run("check")
    assert code == 1
    assert "llm-platform.yaml:2: integrations.one: no integration of kind 'nonsense'; there are: " in told


def test_check_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_PLATFORM_LOGLEVEL", "debug")
    write("server: {port: x}")
    code, said, _ = run("check", "--output", "json")
    problem = {"where": "llm-platform.yaml:1", "field": "server.port", "message": "must be an integer (got 'x')"}
    warning = "LLM_PLATFORM_LOGLEVEL is not a setting; did you mean LLM_PLATFORM_LOG_LEVEL?"
    assert (code, json.loads(said)) == (1, {"valid": False, "problems": [problem], "warnings": [warning]})


def test_check_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_PLATFORM_LOGLEVEL", "debug")
    write("integrations: {custom_models: {enabled: false}}")
    assert run("check")[2] == (
        "warning: LLM_PLATFORM_LOGLEVEL is not a setting; did you mean LLM_PLATFORM_LOG_LEVEL?\n"
    )


NAMES = """\
integrations:
  ollama: {enabled: false}
models:
  fast: custom_models/demo
  "gpt-*": custom_models/demo
  slow:
    targets: custom_models/demo
    fallbacks: [fast, fasst, gpt-5, anything, custom_models/other, org/name]
    context_fallbacks: ollama/big
aliases:
  quick: fast
  fast: demo
  odd: ollama/x
routing: {fallbacks: [sloww]}
"""


def test_check_warns_of_names_that_may_lead_nowhere() -> None:
    write(NAMES)
    code, _, told = run("check")
    missing = "is configured: an integration must have it; did you mean"
    assert (code, sorted(told.splitlines())) == (
        0,
        [
            "warning: llm-platform.yaml:12: aliases.fast: is hidden by the model of the same name",
            "warning: llm-platform.yaml:13: aliases.odd: the integration 'ollama' is disabled",
            f"warning: llm-platform.yaml:14: routing.fallbacks[0]: no model 'sloww' {missing} 'slow'?",
            f"warning: llm-platform.yaml:8: models.slow.fallbacks[1]: no model 'fasst' {missing} 'fast'?",
            "warning: llm-platform.yaml:9: models.slow.context_fallbacks[0]: the integration 'ollama' is disabled",
        ],
    )


def test_explain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_PLATFORM_API_KEY", CANARY)
    write("server:\n  port: 9\nmodels:\n  fast: [a/b, {target: c/d, weight: 2}]")
    code, said, _ = run("explain")
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines()}
    assert code == 0
    assert rows["server.port"] == ["9", "llm-platform.yaml:2"]
    assert rows["server.host"] == ["127.0.0.1", "default"]
    assert rows["server.api_key"] == ["***", "LLM_PLATFORM_API_KEY"]
    assert rows["models.fast"] == ["a/b,", "c/d", "(weight", "2)", "llm-platform.yaml:4"]


def test_explain_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_PLATFORM_API_KEY", CANARY)
    write("server: {port: 9}")
    _, said, _ = run("explain", "--output", "json")
    answer = json.loads(said)
    rows = {row.pop("field"): row for row in answer["settings"]}
    assert answer["file"] == "llm-platform.yaml"
    assert rows["server.port"] == {"value": 9, "source": "file", "where": "llm-platform.yaml:1"}
    assert rows["server.workers"] == {"value": 1, "source": "default", "where": None}
    assert CANARY not in said


def test_explain_of_a_bad_file() -> None:
    write("server: {port: x}")
    assert run("explain") == (1, "", "llm-platform.yaml:1: server.port: must be an integer (got 'x')\n")
