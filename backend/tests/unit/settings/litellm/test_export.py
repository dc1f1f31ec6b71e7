"""`config import-litellm`: what it prints means the same, and holds no secret."""

from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from app.cli.program import program
from app.settings import load_settings
from app.settings.document import parse_document
from app.settings.litellm import translate
from app.settings.litellm.export import in_our_format
from app.settings.loading import read_document
from app.settings.writing import write_settings
from tests.unit.settings.litellm.reading import CASES, NAME, entry, load

CANARY = "canary-9d1e"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def secrets_of(text: str, environ: dict[str, str]) -> dict[str, str]:
    """The variables that the exported file needs, with the values that the LiteLLM file had."""
    document = parse_document(text.encode(), NAME, [])
    found = translate(document, Path(NAME), lambda path: read_document(path, []), environ, [])
    named = write_settings(found.layer.tree, {}).secrets
    values = {name: reduce(lambda node, part: node[part], path, found.layer.tree) for name, path in named.items()}
    return {**found.variables, **{name: str(value).replace("$${", "${") for name, value in values.items()}}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_round_trip(case: dict[str, Any]) -> None:
    environ = {"LITELLM_MASTER_KEY": "sk-master"} | case["environ"]
    before = load(case["litellm"], environ)
    text = in_our_format(Path(NAME), environ)
    Path("llm-platform.yaml").write_text(text)
    after = load_settings(None, environ | secrets_of(case["litellm"], environ), {})
    assert after.settings == before.settings
    assert after.warnings == ()


def test_what_it_looks_like() -> None:
    Path(NAME).write_text(
        "model_list:\n"
        "- model_name: fast\n"
        "  litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY, temperature: 0}\n"
        "- model_name: local\n"
        f"  litellm_params: {{model: openai/qwen, api_base: 'http://gpu-1:8000/v1', api_key: {CANARY}, rpm: 60}}\n"
        "litellm_settings: {callbacks: [langfuse]}\n"
        f"general_settings: {{master_key: {CANARY}}}\n"
        f"environment_variables: {{REGION: eu, MY_TOKEN: {CANARY}}}\n"
    )
    text = in_our_format(Path(NAME), {})
    assert CANARY not in text
    assert text.splitlines() == [
        "# Made of config.yaml by `llm-platform config import-litellm`; see docs/from-litellm.md.",
        "# config.yaml:6: litellm_settings.callbacks: is left out: callbacks are not run; each call is a line of "
        "the platform's log",
        "#",
        "# To be set in the environment:",
        "#   LLM_PLATFORM_API_KEY: the value of config.yaml:7",
        "#   OPENAI_GPU_1_API_KEY: the value of config.yaml:5",
        "#   REGION=eu",
        "#   MY_TOKEN: it is in environment_variables",
        "",
        "server:",
        "  api_key: ${LLM_PLATFORM_API_KEY}",
        "  host: 0.0.0.0",
        "  port: 4000",
        "",
        "integrations:",
        "  custom_models:",
        "    settings:",
        "      demo: false",
        "  openai:",
        "    settings:",
        "      api_key: ${OPENAI_API_KEY}",
        "  openai-gpu-1:",
        "    kind: openai_compatible",
        "    settings:",
        "      base_url: http://gpu-1:8000/v1",
        "      api_key: ${OPENAI_GPU_1_API_KEY}",
        "",
        "models:",
        "  # config.yaml:3: model_list[0].litellm_params.temperature: is left out: a request brings its own "
        "parameters, so set it where the request is made",
        "  fast: openai/gpt-4o-mini",
        "  local:",
        "    target: openai-gpu-1/qwen",
        "    requests_per_minute: 60",
    ]


def test_a_value_with_lines_stays_in_its_comment() -> None:
    Path(NAME).write_text("environment_variables: {A: 'x\n\n  y: 1'}\n" + entry("model: ollama/a"))
    assert yaml.safe_load(in_our_format(Path(NAME), {}))["models"] == {"m": "ollama/a"}


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(program, ["config", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_command() -> None:
    Path(NAME).write_text(entry("model: ollama/llama3"))
    assert run("import-litellm", NAME) == (0, in_our_format(Path(NAME), {}), "")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("models: {}", f"{NAME}: is no LiteLLM configuration: it has none of general_settings, "),
        ("model_list: 3", f"{NAME}:1: model_list: must be a list"),
        ("model_list: [", f"{NAME}:1: is not valid YAML: "),
    ],
)
def test_the_command_refuses(text: str, line: str) -> None:
    Path(NAME).write_text(text)
    code, said, told = run("import-litellm", NAME)
    assert (code, said) == (1, "")
    assert told.startswith(line)


def test_config_check_tells_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    for name in ("LITELLM_MASTER_KEY", "LLM_PLATFORM_API_KEY", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    Path(NAME).write_text(entry("model: gpt-4o, seed: 1", "general_settings: {master_key: k, alerting: [slack]}"))
    assert run("check", "--config", NAME) == (
        0,
        f"{NAME} is valid.\n",
        f"warning: {NAME}:3: model_list[0].litellm_params.seed: is left out: a request brings its own "
        "parameters, so set it where the request is made\n"
        f"warning: {NAME}:4: general_settings.alerting: is left out: alerts are made by what watches the "
        "platform\n",
    )
    Path(NAME).write_text(entry("model: ollama/a, num_ctx: none"))
    code, _, told = run("check", "--config", NAME)
    assert code == 1
    assert f"{NAME}:3: integrations.ollama.settings.num_ctx: must be an integer (got 'none')" in told
    Path(NAME).write_text(entry("model: ollama/a, rpm: many, seed: 1"))
    code, _, told = run("check", "--config", NAME)
    assert code == 1
    assert f"warning: {NAME}:3: model_list[0].litellm_params.seed: is left out: " in told
    assert f"\n{NAME}:3: models.m.targets[0].requests_per_minute: must be an integer (got 'many')" in told
