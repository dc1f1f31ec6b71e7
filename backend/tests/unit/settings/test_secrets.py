"""A secret is shown nowhere: not in errors, not in explanations, not in a repr."""

from pathlib import Path

import pytest

from app.settings import ConfigError, load_settings
from app.settings.explain import explain
from app.settings.redaction import is_secret_name

CANARY = "canary-7f3a"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(content: str) -> None:
    Path("llm-platform.yaml").write_text(content)


@pytest.mark.parametrize(
    ("content", "environ"),
    [
        ("server: {api_key: ${K}}", {"K": f"{CANARY} with a space"}),
        (f"server: {{api_key: [{CANARY}]}}", {}),
        (f"server: {{api_kye: {CANARY}}}", {}),
        ("server: {port: ${MY_TOKEN}}", {"MY_TOKEN": CANARY}),
        (f"server: {{port: 1}}\n{CANARY}", {}),
        (f"server: {{api_key: '{CANARY}\n x: [", {}),
        (f"integrations: {{a: {CANARY}}}", {}),
        (f"integrations: {{a: {{settings: {CANARY}}}}}", {}),
        (f"integrations: {{a: {{settings: {{api_key: '{CANARY}' }}, enabld: x}}}}", {}),
        ("", {"LLM_PLATFORM_API_KEY": f"{CANARY} x"}),
        ("", {"LLM_PLATFORM_SERVER": f'{{"api_key": "{CANARY}", '}),
        ("", {"LLM_PLATFORM_INTEGRATIONS__A__SETTINGS": f'{{"api_key": "{CANARY}"'}),
        ("", {"LLM_PLATFORM_INTEGRATIONS": CANARY}),
    ],
)
def test_errors(content: str, environ: dict[str, str]) -> None:
    write(content)
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ, {})
    assert CANARY not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"


def test_explanations_and_reprs() -> None:
    write(
        f"""
server: {{api_key: {CANARY}-1}}
integrations:
  a:
    settings:
      api_key: {CANARY}-2
      hf_token: {CANARY}-3
      password: 123456
      nested: {{list: [{{secret: {CANARY}-4}}]}}
      headers: {{x-team: {CANARY}-5}}
      provider_data: {{tavily: {CANARY}-6}}
      note: ${{SOME_API_KEY}}
      url: http://user:{CANARY}@host/
      max_tokens: 4096
"""
    )
    loaded = load_settings(None, {"SOME_API_KEY": CANARY, "OPENAI_API_KEY": CANARY}, {})
    rows = {row.field: row.value for row in explain(loaded)}
    assert CANARY not in f"{rows} {loaded} {loaded.settings!r} {loaded.settings}"
    assert rows["server.api_key"] == rows["integrations.a.settings.password"] == "***"
    assert rows["integrations.openai.settings.api_key"] == "***"
    assert rows["integrations.a.settings.nested.list"] == [{"secret": "***"}]
    assert rows["integrations.a.settings.url"] == "http://***@host/"
    assert rows["integrations.a.settings.max_tokens"] == 4096
    assert rows["timeouts.first_token"] == 60


@pytest.mark.parametrize(
    "name", ["api_key", "OPENAI_API_KEY", "apikey", "x-api-key", "Authorization", "db_password", "token"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["max_tokens", "first_token", "keep_alive", "monkey", "tokenizer", "base_url"])
def test_names_that_are_none(name: str) -> None:
    assert not is_secret_name(name)
