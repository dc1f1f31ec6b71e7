"""The settings that integrations with an HTTP upstream have in common."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from app.core.http import TransportSettings

NO_KEY = "not-needed"
"""As an api_key: the server asks for none."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _server_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected an address such as http://host:8000 or https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a credential does not belong in the address: set api_key")
    if parts.query or parts.fragment:
        raise ValueError("an address has no ?query and no #fragment")
    return url.rstrip("/")


def _header_lines(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise ValueError(f"{name!r} is no header name, or its value is not plain text")
    return headers


BaseUrl = Annotated[str, AfterValidator(_server_address)]
"""http or https, without credentials, query, fragment and trailing slash."""

HeaderLines = Annotated[dict[str, str], AfterValidator(_header_lines), Field(repr=False)]
"""Extra request headers. Their values may be secrets, so they stay out of every repr."""


class UpstreamSettings(BaseModel):
    """How a server is reached and who we are to it. Times are in seconds.

    `connect_timeout` bounds opening a connection, `timeout` small questions (health, list of models),
    `first_byte_timeout` the wait for the head of an answer; the platform's own limits for a call stand besides.
    `model_refresh_interval` is the least time between two looks at the list of models. The files are PEM;
    `ca_file` replaces the system's authorities. `proxy`: an http:// forward proxy.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr = SecretStr(NO_KEY)
    headers: HeaderLines = {}
    connect_timeout: float = Field(default=5, gt=0)
    timeout: float = Field(default=30, gt=0)
    first_byte_timeout: float = Field(default=600, gt=0)
    model_refresh_interval: float = Field(default=300, ge=0)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    proxy: str | None = Field(default=None, repr=False)

    @property
    def has_key(self) -> bool:
        return self.api_key.get_secret_value() not in {"", NO_KEY}

    def request_headers(self) -> dict[str, str]:
        """What goes with every request, the credential included; `headers` have the last word."""
        if not self.has_key or any(name.lower() == "authorization" for name in self.headers):
            return self.headers
        return {"authorization": f"Bearer {self.api_key.get_secret_value()}", **self.headers}

    def transport(self) -> TransportSettings:
        return TransportSettings(
            connect_timeout=self.connect_timeout,
            first_byte_timeout=self.first_byte_timeout,
            verify=self.verify,
            ca_file=self.ca_file,
            client_cert_file=self.cert_file,
            client_key_file=self.key_file,
            proxy=self.proxy,
        )
