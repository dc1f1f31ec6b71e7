"""Precedence, origins, and what each source can say."""

from pathlib import Path

import pytest

from app.settings import LoadedSettings, Origin, load_settings
from app.settings.document import parse_document
from app.settings.problems import ConfigError, Problem

NAME = "llm-platform.yaml"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(content: str = "", environ: dict[str, str] | None = None, **overrides: object) -> LoadedSettings:
    Path(NAME).write_text(content)
    return load_settings(None, environ or {}, {name.replace("__", "."): each for name, each in overrides.items()})


IN_FILE = "server:\n  port: 1"
SHORT = {"LLM_PLATFORM_PORT": "2"}
LONG = {"LLM_PLATFORM_SERVER__PORT": "3"}


@pytest.mark.parametrize(
    ("content", "environ", "option", "port", "origin"),
    [
        ("", {}, None, 8000, Origin("default")),
        (IN_FILE, {}, None, 1, Origin("file", f"{NAME}:2")),
        (IN_FILE, SHORT, None, 2, Origin("environment", "LLM_PLATFORM_PORT")),
        (IN_FILE, SHORT | LONG, None, 3, Origin("environment", "LLM_PLATFORM_SERVER__PORT")),
        (IN_FILE, SHORT | LONG, 4, 4, Origin("command line", "--port")),
        (IN_FILE, {}, 4, 4, Origin("command line", "--port")),
        ("", SHORT, None, 2, Origin("environment", "LLM_PLATFORM_PORT")),
        (IN_FILE, {"LLM_PLATFORM_PORT": ""}, None, 1, Origin("file", f"{NAME}:2")),
        (IN_FILE, {"LLM_PLATFORM_PORT": "tcp://10.0.0.7:8000"}, None, 1, Origin("file", f"{NAME}:2")),
        (IN_FILE, {"LLM_PLATFORM_SERVER": '{"port": 5}'}, None, 5, Origin("environment", "LLM_PLATFORM_SERVER")),
    ],
)
def test_precedence(content: str, environ: dict[str, str], option: int | None, port: int, origin: Origin) -> None:
    loaded = load(content, environ, server__port=option)
    assert (loaded.settings.server.port, loaded.origin("server.port")) == (port, origin)


def test_sources_are_merged_key_by_key_and_lists_replaced_whole() -> None:
    loaded = load(
        "integrations:\n  a:\n    priority: 5\n    dependencies: [x, y]\n    settings: {one: 1, two: 2}\n",
        {
            "LLM_PLATFORM_INTEGRATIONS__A__SETTINGS__TWO": "zwei",
            "LLM_PLATFORM_INTEGRATIONS__A__DEPENDENCIES": "z",
        },
    )
    integration = loaded.settings.integrations["a"]
    assert (integration.priority, integration.dependencies) == (5, ("z",))
    assert integration.settings == {"one": 1, "two": "zwei"}
    assert loaded.origin("integrations.a.settings.one").where == f"{NAME}:5"
    assert loaded.origin("integrations.a.settings.two").where == "LLM_PLATFORM_INTEGRATIONS__A__SETTINGS__TWO"
    assert "integrations.a.dependencies[1]" not in loaded.origins


def test_only_what_was_set_counts_as_set() -> None:
    loaded = load("integrations: {a: {priority: 5, kind: }}")
    assert loaded.settings.integrations["a"].model_fields_set == {"priority"}


@pytest.mark.parametrize(
    ("name", "value", "path", "expected"),
    [
        ("LLM_PLATFORM_ENV", "production", "env", "production"),
        ("LOG_LEVEL", "WARNING", "log_level", "warning"),
        ("LLM_PLATFORM_HOST", "::1", "server.host", "::1"),
        ("LLM_PLATFORM_GRPC_PORT", "7", "server.grpc_port", 7),
        ("LLM_PLATFORM_WORKERS", "3", "server.workers", 3),
        (
            "LLM_PLATFORM_SERVER__CORS_ORIGINS",
            "http://a, http://b",
            "server.cors_origins",
            ("http://a", "http://b"),
        ),
        ("LLM_PLATFORM_SERVER__CORS_ORIGINS", '["http://a"]', "server.cors_origins", ("http://a",)),
        ("LLM_PLATFORM_LIMITS__BODY_BYTES", "1.5 MiB", "limits.body_bytes", 3 * 2**19),
        ("LLM_PLATFORM_TIMEOUTS__IDLE", "5m", "timeouts.idle", 300),
        ("LLM_PLATFORM_TIMEOUTS__IDLE", "250ms", "timeouts.idle", 0.25),
        ("OPENAI_API_ENABLED", "false", "front_ends.openai_api", False),
        ("ANTHROPIC_API_ENABLED", "false", "front_ends.anthropic_api", False),
    ],
)
def test_the_environment(name: str, value: str, path: str, expected: object) -> None:
    found: object = load("", {name: value}).settings
    for part in path.split("."):
        found = getattr(found, part)
    assert found == expected


@pytest.mark.parametrize(
    ("name", "integration", "setting"),
    [
        ("OLLAMA_BASE_URL", "ollama", "base_url"),
        ("HUGGINGFACE_TOKEN", "huggingface_hub", "api_key"),
        ("HF_TOKEN", "huggingface_hub", "api_key"),
        ("LLAMA_STACK_BASE_URL", "llama_stack", "base_url"),
        ("CUSTOM_MODELS_DIR", "custom_models", "directory"),
        ("GEMINI_API_KEY", "gemini", "api_key"),
        ("OPENAI_API_KEY", "openai", "api_key"),
        ("GROQ_API_KEY", "groq", "api_key"),
        ("XAI_API_KEY", "xai", "api_key"),
        ("AZURE_OPENAI_ENDPOINT", "azure_openai", "base_url"),
        ("ANTHROPIC_API_KEY", "anthropic", "api_key"),
    ],
)
def test_a_provider_in_the_environment_is_an_integration(name: str, integration: str, setting: str) -> None:
    assert load("", {name: "value"}).settings.integrations[integration].settings == {setting: "value"}


def test_what_tells_clients_where_the_platform_is_means_nothing_to_the_platform() -> None:
    assert load("", {"ANTHROPIC_BASE_URL": "http://127.0.0.1:8000"}).settings == load("", {}).settings


def test_of_two_names_for_one_setting_ours_wins() -> None:
    loaded = load("", {"HUGGINGFACE_TOKEN": "ours", "HF_TOKEN": "theirs"})
    assert loaded.settings.integrations["huggingface_hub"].settings == {"api_key": "ours"}


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        ("ollama/llama3", [("ollama", "llama3", 1, 1)]),
        ("hub/org/model", [("hub", "org/model", 1, 1)]),
        ("{target: a/b, weight: 2}", [("a", "b", 2, 1)]),
        ("[a/b, {target: c/d, weight: 0.5, priority: 2}]", [("a", "b", 1, 1), ("c", "d", 0.5, 2)]),
    ],
)
def test_models(value: str, targets: list[tuple[object, ...]]) -> None:
    found = load(f"models: {{fast: {value}}}").settings.models["fast"].targets
    assert [(each.integration, each.model, each.weight, each.priority) for each in found] == targets


def test_a_model_from_the_environment() -> None:
    loaded = load("models: {fast: [a/b, c/d]}", {"LLM_PLATFORM_MODELS__FAST": "e/f"})
    assert [each.target for each in loaded.settings.models["fast"].targets] == ["e/f"]


def test_nothing_behind_a_key() -> None:
    settings = load("server:\nintegrations:\n  ollama:\nlimits:\n  json_depth:\n").settings
    assert (settings.server.port, settings.limits.json_depth) == (8000, 64)
    assert not settings.integrations["ollama"].model_fields_set


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n", "null"])
def test_a_file_that_says_nothing(content: str) -> None:
    assert not load(content).origins


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("http://${A}:${B:-80}", {"A": "h"}, "http://h:80"),
        ("${A:-}", {}, ""),
        ("${A:-d}", {"A": ""}, "d"),
        ("$${A} $B", {"A": "x", "B": "y"}, "${A} $B"),
        ("${A}", {"A": "${B}", "B": "x"}, "${B}"),
        ("${A}", {"A": "x\ninjected: 1"}, "x\ninjected: 1"),
    ],
)
def test_references(text: str, environ: dict[str, str], expected: str) -> None:
    loaded = load(f"integrations: {{a: {{settings: {{value: '{text}'}}}}}}", environ)
    assert loaded.settings.integrations["a"].settings == {"value": expected}


def test_anchors_and_merge_keys() -> None:
    loaded = load(
        "integrations:\n"
        "  one:\n    settings: &base\n      url: a\n      deep: {x: 1, y: 2}\n"
        "  two:\n    settings:\n      <<: *base\n      deep: {z: 3}\n"
        "  three:\n    settings:\n      <<: [{url: b}, *base]\n"
    )
    found = {name: each.settings for name, each in loaded.settings.integrations.items()}
    assert found["two"] == {"url": "a", "deep": {"z": 3}}
    assert found["three"] == {"url": "b", "deep": {"x": 1, "y": 2}}
    assert loaded.origin("integrations.two.settings.deep.z").where == f"{NAME}:9"
    assert "integrations.two.settings.deep.x" not in loaded.origins


@pytest.mark.parametrize(
    "content",
    [
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{'bcdefgh'[i]}: &{'bcdefgh'[i]} [{', '.join(['*' + 'abcdefg'[i]] * 10)}]\n" for i in range(7)),
        "a: &a {<<: *a}",
        "a: &a [*a]",
        "a: " + "[" * 100_000,
        "x: &m {}\n"
        + "".join(
            f"{n}: &{n} {{<<: [{', '.join(['*' + m] * 9)}]}}\n"
            for m, n in zip("mabcdefg", "abcdefgh", strict=True)
        ),
    ],
    ids=["billion laughs", "merges itself", "holds itself", "brackets", "merge bomb"],
)
def test_bombs_are_refused(content: str) -> None:
    with pytest.raises(ConfigError, match=r"nested deeper|more than"):
        load(content)


def test_a_huge_file() -> None:
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load("#" * (2**20 + 1))


def test_dates_stay_text() -> None:
    problems: list[Problem] = []
    assert parse_document(b"a: 2024-01-02", "f", problems).tree == {"a": "2024-01-02"}
    assert not problems


def test_which_file() -> None:
    Path("named.yaml").write_text("server: {port: 2}")
    environ = {"LLM_PLATFORM_CONFIG": "named.yaml"}
    assert load_settings(None, {}, {}).file is None
    assert load_settings(None, environ, {}).file == Path("named.yaml")
    Path(NAME).write_text("")
    assert load_settings(None, environ, {}).file == Path(NAME)
    assert load_settings(Path("named.yaml"), {}, {}).settings.server.port == 2


@pytest.mark.parametrize(
    ("name", "warnings"),
    [
        (
            "LLM_PLATFORM_LOGLEVEL",
            ("LLM_PLATFORM_LOGLEVEL is not a setting; did you mean LLM_PLATFORM_LOG_LEVEL?",),
        ),
        ("LLM_PLATFORM_SERVICE_HOST", ()),
        ("LLM_PLATFORM_PORT_8000_TCP_ADDR", ()),
        ("LLM_PLATFORM_URL", ()),
    ],
)
def test_names_that_mean_nothing(name: str, warnings: tuple[str, ...]) -> None:
    loaded = load("", {name: "x"})
    assert (loaded.warnings, dict(loaded.origins)) == (warnings, {})
