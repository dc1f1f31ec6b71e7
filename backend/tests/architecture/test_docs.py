"""The pages say what the code says: the state diagram, and every link between pages."""

import re
from pathlib import Path

import pytest

from app.core.integration_framework import state_diagram

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
