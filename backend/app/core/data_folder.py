"""Where this user's programs keep their data: https://specifications.freedesktop.org/basedir-spec/latest/"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_NAME = "llm-platform"


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The platform's own folder there. It need not exist yet."""
    if given := environment.get("XDG_DATA_HOME"):
        return Path(given) / _NAME
    home = Path(environment.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / _NAME
    return home / ".local" / "share" / _NAME


def models_folder(data: Path | None) -> Path:
    """Where fetched models are, unless they are put elsewhere. `data`: in place of the platform's own folder."""
    return (data or data_folder()) / "models"
