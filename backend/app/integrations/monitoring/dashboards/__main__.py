"""Writes the dashboards, and the rules that give metrics LiteLLM's names, into a folder."""

import json
import sys
from pathlib import Path

from app.integrations.monitoring.dashboards import DASHBOARDS, litellm_names


def files() -> dict[str, str]:
    """What is written, by its path in the folder."""
    dashboards = {
        f"grafana/dashboards/{uid}.json": json.dumps(dashboard, indent=2) + "\n"
        for uid, dashboard in DASHBOARDS.items()
    }
    return {**dashboards, "litellm_names_rules.yml": litellm_names.text()}


def main(folder: Path) -> None:
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
