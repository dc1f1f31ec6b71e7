"""A LiteLLM file of a test, read as the platform reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from app.settings import LoadedSettings, load_settings

NAME = "config.yaml"
CASES = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in Path(__file__).parent.glob("cases/*.yaml")}


def load(text: str, environ: Mapping[str, str] | None = None) -> LoadedSettings:
    """In the current folder."""
    Path(NAME).write_text(text)
    return load_settings(Path(NAME), environ or {}, {})


def entry(params: str, rest: str = "") -> str:
    """A file with one model, `m`."""
    return f"model_list:\n- model_name: m\n  litellm_params: {{{params}}}\n{rest}"


def plain(value: Any) -> Any:
    """Settings as data, with what was set alone."""
    return value.model_dump(exclude_unset=True, mode="json")
