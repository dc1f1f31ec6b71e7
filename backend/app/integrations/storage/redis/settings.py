"""What an operator may set for Redis."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_SCHEMES = ("redis", "rediss", "unix")


class RedisSettings(BaseModel):
    """`url`: `redis://`, `rediss://` (TLS) or `unix://`, with user, password and number of the database in it.
    `key_prefix` stands before every key. `timeout`: seconds that one operation may take, opening a connection
    included. `max_connections`: of one process; further operations wait for one. `ca_file`, `cert_file`,
    `key_file`: PEM files for rediss; `verify`: whether the server's certificate is checked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr = SecretStr("redis://localhost:6379/0")
    key_prefix: str = "llm-platform:"
    timeout: float = Field(default=0.1, gt=0)
    max_connections: int = Field(default=32, ge=1)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    verify: bool = True

    @field_validator("url")
    @classmethod
    def _an_address(cls, url: SecretStr) -> SecretStr:
        if not _well_formed(url.get_secret_value()):
            raise ValueError("expected an address such as redis://user:password@host:6379/0, rediss:// or unix://")
        return url

    @model_validator(mode="after")
    def _fits(self) -> "RedisSettings":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return self

    @property
    def encrypted(self) -> bool:
        return self.url.get_secret_value().startswith("rediss:")


def _well_formed(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in _SCHEMES and bool(parts.netloc or parts.path) and parts.port != 0
    except ValueError:  # its message may show a part of the password
        return False
