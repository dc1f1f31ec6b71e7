"""docs/configuration.md and the example say what is so."""

import re
from pathlib import Path

import pytest

from app.settings import load_settings
from app.settings.reference import entries, renewed

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "llm-platform.example.yaml"


def test_the_tables_are_those_of_the_schema() -> None:
    page = PAGE.read_text()
    assert page == renewed(page), "run: python -m app.settings.reference docs/configuration.md"


def test_every_setting_is_explained() -> None:
    assert not [entry.path for entry in entries() if not entry.meaning.endswith(".")]


def test_the_example_loads() -> None:
    settings = load_settings(EXAMPLE, {}, {}).settings
    assert settings.integrations["vllm-west"].settings["headers"] == {"x-team": "research"}
    assert [target.priority for target in settings.models["smart"].targets] == [1, 1, 2]
    assert not settings.integrations["groq"].enabled


@pytest.mark.parametrize("snippet", re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
def test_the_snippets_load(snippet: str, tmp_path: Path) -> None:
    file = tmp_path / "snippet.yaml"
    file.write_text(snippet)
    assert load_settings(file, {"VLLM_API_KEY": "key"}, {}).origins
