"""What a person is told about a wrong configuration, word for word."""

from pathlib import Path

import pytest

from app.settings import ConfigError, load_settings

NAME = "llm-platform.yaml"

CASES = [
    ("server:\n  port: abc", [f"{NAME}:2: server.port: must be an integer (got 'abc')"]),
    ("server:\n  prot: 1", [f"{NAME}:2: server: unknown field 'prot'; did you mean 'port'?"]),
    ("server:\n  port: 70000", [f"{NAME}:2: server.port: must be at most 65535 (got 70000)"]),
    ("server:\n  port: yes", [f"{NAME}:2: server.port: must be an integer (got true)"]),
    ("server: 8000", [f"{NAME}:1: server: must be a mapping (got a number)"]),
    ("server:\n  api_key: 12345", [f"{NAME}:2: server.api_key: must be text; put it in quotes"]),
    (
        "server:\n  api_key: 'a key'",
        [f"{NAME}:2: server.api_key: must be one or more printable ASCII characters without spaces"],
    ),
    (
        "server:\n  cors_origins: [https://a.example/path]",
        [f"{NAME}:2: server.cors_origins: must list origins such as https://app.example.org, or * (got a list)"],
    ),
    (
        "limits:\n  body_bytes: 10 sheep",
        [
            f"{NAME}:2: limits.body_bytes: must be a size such as 10MiB, 512kB or a number of bytes"
            " (got '10 sheep')"
        ],
    ),
    (
        "timeouts: {idle: soon}",
        [f"{NAME}:1: timeouts.idle: must be a time such as 90s, 5m, 250ms or a number of seconds (got 'soon')"],
    ),
    ("timeouts: {idle: 0}", [f"{NAME}:1: timeouts.idle: must be greater than 0 (got 0)"]),
    ("timeouts: {idle: .inf}", [f"{NAME}:1: timeouts.idle: must be a finite number (got inf)"]),
    ("env: staging", [f"{NAME}:1: env: must be 'development' or 'production' (got 'staging')"]),
    (
        "front_ends:\n  openai_api: perhaps",
        [f"{NAME}:2: front_ends.openai_api: must be true or false (got 'perhaps')"],
    ),
    (
        "integrations:\n  my model: {}",
        [
            f'{NAME}:2: integrations."my model": is no name for an integration: use letters, digits, '
            "'-', '_' and '.' (got 'my model')"
        ],
    ),
    (
        "integrations:\n  a:\n    dependencies: [b, 'bad name!']",
        [
            f"{NAME}:3: integrations.a.dependencies[1]: is no name for an integration: use letters, digits, "
            "'-', '_' and '.' (got 'bad name!')"
        ],
    ),
    (
        "integrations:\n  a:\n    enabld: no",
        [f"{NAME}:3: integrations.a: unknown field 'enabld'; did you mean 'enabled'?"],
    ),
    (
        "integrations:\n  a:\n    retry_config: {max_retrys: 1}",
        [f"{NAME}:3: integrations.a.retry_config: unknown field 'max_retrys'; did you mean 'max_retries'?"],
    ),
    ("models:\n  fast: llama", [f"{NAME}:2: models.fast: must be written as integration/model (got 'llama')"]),
    (
        "models:\n  fast:\n    targets: [a/b]\n    strategy: fastest",
        [
            f"{NAME}:4: models.fast.strategy: must be 'weighted', 'priority', 'least_busy', 'lowest_latency', "
            "'cheapest', 'sticky', 'sticky_prefix' or 'auto' (got 'fastest')"
        ],
    ),
    (
        "models:\n  fast: {targets: [a/b], retires: 1}",
        [f"{NAME}:2: models.fast: unknown field 'retires'; did you mean 'retries'?"],
    ),
    ("models:\n  fast: []", [f"{NAME}:2: models.fast: must not be empty (got a list)"]),
    ("models:\n  fast:\n  - weight: 1", [f"{NAME}:3: models.fast[0].target: is required"]),
    (
        "models:\n  fast:\n  - a/b\n  - {target: a/b, weight: -1}",
        [f"{NAME}:4: models.fast[1].weight: must be at least 0 (got -1)"],
    ),
    (
        "modles: {}",
        [f"{NAME}:1: unknown field 'modles'; did you mean 'models'?"],
    ),
    (
        "_env_file: /etc/passwd",
        [
            f"{NAME}:1: unknown field '_env_file'; the fields are env, log_level, log_format, data_dir, server, "
            "auth, limits, timeouts, front_ends, integrations, models, aliases, routing, cache, idempotency, "
            "usage, prices, tiers, default_tier, budgets"
        ],
    ),
    ("server:\n  host: ${HOME_OF_IT}", [f"{NAME}:2: server.host: the environment variable HOME_OF_IT is not set"]),
    (
        "server:\n  host: ${1}",
        [
            f"{NAME}:2: server.host: has a '${{' that is no ${{NAME}} or ${{NAME:-default}};"
            " write $${ for the characters"
        ],
    ),
    ("server:\n  port: 1\n  port: 2", [f"{NAME}:3: server.port: stands here a second time"]),
    ("1: x", [f"{NAME}:1: has a key that is not text; put it in quotes"]),
    (
        "server:\n  host: !!python/object/apply:os.system [id]",
        [f"{NAME}:2: server.host: has the tag !!python/object/apply:os.system, which is not allowed here"],
    ),
    ("server:\n  port: !!int x", [f"{NAME}:2: server.port: is not what its tag !!int says"]),
    ("- a", [f"{NAME}:1: must be a mapping: 'server:' with fields below it"]),
    ("server:\n  port: 1: 2", [f"{NAME}:2: is not valid YAML: mapping values are not allowed here"]),
    ("a: 1\n---\nb: 2", [f"{NAME}:2: is not valid YAML: but found another document"]),
    ("server: *nowhere", [f"{NAME}:1: is not valid YAML: found undefined alias 'nowhere'"]),
    ("<<: 5", [f"{NAME}:1: '<<' must name a mapping, or a list of them"]),
    ("a: " + "[" * 40 + "]" * 40, [f"{NAME}:1: is nested deeper than 32 levels"]),
    (
        "log_level: info\ntiers: {free: {}}\ndefault_tier: fre",
        [f"{NAME}:3: default_tier: no tier 'fre'; did you mean 'free'?"],
    ),
    ("log_level: info\ndefault_tier: unknown", [f"{NAME}:2: default_tier: no tier 'unknown'"]),
    (
        "usage: {enabled: false}\nbudgets:\n  all: {usd: 1}",
        [f"{NAME}:2: budgets: need usage.enabled and the database, which tell what was spent"],
    ),
    ("budgets:\n  a: {usd: 1, key: x, team: y}", [f"{NAME}:2: budgets.a: must name one of key, team and each"]),
    (
        "aliases:\n  x: demo\n  a: b\n  b: c\n  c: a",
        [f"{NAME}:3: aliases.a: goes in a circle: a -> b -> c -> a"],
    ),
    (
        "models: {fast: {targets: a/b, cache: maybe}}",
        [
            f"{NAME}:1: models.fast.cache: must be true, false, or how long answers are kept, such as 10m "
            "(got 'maybe')"
        ],
    ),
    (
        "cache: maybe",
        [
            f"{NAME}:1: cache: says where answers are kept (store, max_bytes); "
            "which models' answers are is said by models.<name>.cache: true (got 'maybe')"
        ],
    ),
    (
        "server:\n  port: x\nlimits:\n  json_depth: 0\ntimeouts:\n  idl: 3",
        [
            f"{NAME}:2: server.port: must be an integer (got 'x')",
            f"{NAME}:4: limits.json_depth: must be at least 1 (got 0)",
            f"{NAME}:6: timeouts: unknown field 'idl'; did you mean 'idle'?",
        ],
    ),
]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def report(environ: dict[str, str] | None = None, overrides: dict[str, object] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ or {}, overrides or {})
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("content", "lines"), CASES)
def test_a_wrong_file(content: str, lines: list[str]) -> None:
    Path(NAME).write_text(content)
    assert report() == lines


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"LLM_PLATFORM_PORT": "x"}, "LLM_PLATFORM_PORT: server.port: must be an integer (got 'x')"),
        (
            {"LLM_PLATFORM_SERVER__PROT": "1"},
            "LLM_PLATFORM_SERVER__PROT: server: unknown field 'prot'; did you mean 'port'?",
        ),
        (
            {"LLM_PLATFORM_SERVRE__PORT": "1"},
            "LLM_PLATFORM_SERVRE__PORT: unknown field 'servre'; did you mean 'server'?",
        ),
        ({"LLM_PLATFORM_SERVER": "{broken"}, "LLM_PLATFORM_SERVER: server: must be a mapping (got text)"),
        (
            {"LLM_PLATFORM_TIMEOUTS": '{"idle": -1}'},
            "LLM_PLATFORM_TIMEOUTS: timeouts.idle: must be greater than 0 (got -1)",
        ),
        ({"GRPC_ENABLED": "maybe"}, "GRPC_ENABLED: front_ends.grpc: must be true or false (got 'maybe')"),
    ],
)
def test_a_wrong_environment(environ: dict[str, str], line: str) -> None:
    assert report(environ) == [line]


def test_a_wrong_option() -> None:
    assert report(overrides={"server.port": 70000}) == ["--port: server.port: must be at most 65535 (got 70000)"]


def test_all_sources_are_reported_at_once() -> None:
    Path(NAME).write_text("server: {host: '${MISSING}'}\nlimits: {json_depth: 0}")
    found = report({"LLM_PLATFORM_PORT": "x"}, {"log_level": "loud"})
    assert sorted(line.split(":")[0] for line in found) == ["--log-level", "LLM_PLATFORM_PORT", NAME, NAME]


def test_a_log_has_it_on_one_line() -> None:
    Path(NAME).write_text("server:\n  port: x\nlimits:\n  json_depth: 0")
    with pytest.raises(ConfigError) as caught:
        load_settings(None, {}, {})
    assert caught.value.summary == "; ".join(str(caught.value).splitlines())
    assert len(caught.value.problems) == 2


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"^gone\.yaml: cannot be read: No such file or directory$"):
        load_settings(Path("gone.yaml"), {}, {})


@pytest.mark.parametrize("content", [b"\xff\xfe\xff", b"a: \x00", b"a: '\xc3'"])
def test_a_file_that_is_no_text(content: bytes) -> None:
    Path(NAME).write_bytes(content)
    assert report()[0].startswith(f"{NAME}")
