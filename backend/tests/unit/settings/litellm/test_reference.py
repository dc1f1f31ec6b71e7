"""docs/from-litellm.md says what the tables say."""

from pathlib import Path

from app.settings.litellm.reference import renewed

PAGE = Path(__file__).parents[5] / "docs" / "from-litellm.md"


def test_the_page_has_the_tables() -> None:
    page = PAGE.read_text("utf-8")
    assert page == renewed(page), "run: python -m app.settings.litellm.reference docs/from-litellm.md"
