"""What an operator may set for the database, and what its address means."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from app.core.data_folder import data_folder

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
_FILE = "llm-platform.db"


class DatabaseSettings(BaseModel):
    """`url`: as SQLAlchemy has it; the short forms sqlite:///FILE and postgresql://… do. Without one it is a
    SQLite file in `data_dir`, by default the platform's. `retention_days`: how long responses are
    kept. `timeout`: seconds that one question may take.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = None
    data_dir: Path | None = None
    retention_days: float = Field(default=30, gt=0)
    timeout: float = Field(default=2, gt=0)

    @field_validator("url")
    @classmethod
    def _known_driver(cls, url: SecretStr | None) -> SecretStr | None:
        scheme, found, _ = (url.get_secret_value() if url else "sqlite://").partition("://")
        if not found or not scheme.startswith(tuple(_DRIVERS)):
            raise ValueError("expected an address such as sqlite:////path/file.db or postgresql://user@host/name")
        return url

    def address(self, environment: Mapping[str, str] = os.environ) -> str:
        """The URL with its asynchronous driver."""
        if self.url is None:
            return f"sqlite+aiosqlite:///{(self.data_dir or data_folder(environment)) / _FILE}"
        scheme, _, rest = self.url.get_secret_value().partition("://")
        return f"{_DRIVERS.get(scheme, scheme)}://{rest}"


def sqlite_file(address: str) -> Path | None:
    """The file of a SQLite address; None for any other database and for one in memory."""
    if not address.startswith("sqlite"):
        return None
    path = urlsplit(address).path.removeprefix("/")
    return Path(path) if path and path != ":memory:" else None
