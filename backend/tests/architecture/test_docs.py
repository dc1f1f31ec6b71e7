"""The pages say what the code says: the state diagram, and every link between pages."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from app.api.reference import renewed
from app.core.integration_framework import state_diagram
from app.integrations.model_platforms.anthropic.settings import AnthropicSettings
from app.integrations.model_platforms.gemini.settings import GeminiSettings
from app.integrations.model_platforms.huggingface.settings import HuggingFaceHubSettings
from app.integrations.model_platforms.llama_stack.settings import LlamaStackSettings
from app.integrations.model_platforms.local_models.settings import CustomModelsSettings
from app.integrations.model_platforms.ollama.settings import OllamaSettings
from app.integrations.model_platforms.openai_compatible.catalogue import CATALOGUE
from app.integrations.model_platforms.openai_compatible.settings import OpenAICompatibleSettings
from app.integrations.monitoring.alertmanager.settings import AlertmanagerSettings
from app.integrations.monitoring.grafana.settings import GrafanaSettings
from app.integrations.monitoring.opentelemetry.settings import OpenTelemetrySettings
from app.integrations.monitoring.prometheus.families import FAMILIES
from app.integrations.monitoring.prometheus.settings import PrometheusSettings
from app.integrations.storage.database.settings import DatabaseSettings
from app.integrations.storage.redis.settings import RedisSettings

ROOT = Path(__file__).parents[3]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")]


def test_the_state_diagram_is_the_table_of_transitions() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    diagrams = re.findall(r"```mermaid\n(.*?)\n```", page, re.DOTALL)
    assert state_diagram().strip() in diagrams


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


SETTINGS = {
    "anthropic": AnthropicSettings,
    "openai_compatible": OpenAICompatibleSettings,
    "gemini": GeminiSettings,
    "ollama": OllamaSettings,
    "huggingface_hub": HuggingFaceHubSettings,
    "llama_stack": LlamaStackSettings,
    "custom_models": CustomModelsSettings,
    "database": DatabaseSettings,
    "redis": RedisSettings,
    "prometheus": PrometheusSettings,
    "alertmanager": AlertmanagerSettings,
    "opentelemetry": OpenTelemetrySettings,
    "grafana": GrafanaSettings,
}


def test_each_metric_has_its_row() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    for family in FAMILIES.values():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{family.name}` |"))
        assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == set(family.labels), family.name


@pytest.mark.parametrize(("section", "model"), SETTINGS.items())
def test_each_setting_of_an_integration_has_its_row(section: str, model: type[BaseModel]) -> None:
    page = (ROOT / "docs" / "integrations.md").read_text("utf-8")
    text = page.split(f"\n## `{section}`\n")[1].split("\n## ")[0]
    documented = re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in text.splitlines() if "|" in line))
    assert set(model.model_fields) <= set(documented)


def test_the_roles_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "keys.md").read_text("utf-8")
    assert renewed(page) == page


def test_each_kind_of_the_catalogue_has_its_row_with_its_address_and_key() -> None:
    page = (ROOT / "docs" / "integrations.md").read_text("utf-8")
    for row in CATALOGUE.values():
        (line,) = (line for line in page.splitlines() if line.startswith(f"| `{row.kind}` | {row.title} |"))
        assert (row.base_url or "set `base_url`") in line
        assert (row.api_key_env or "-") in line
