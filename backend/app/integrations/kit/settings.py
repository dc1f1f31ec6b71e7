"""The settings that integrations with an HTTP upstream have in common."""

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from app.core.http import TransportSettings
from app.integrations.kit.keys import RECHECK_AFTER, Header

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


def _key_text(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ValueError("a key is printable ASCII, without spaces or line breaks around it")
    return key


BaseUrl = Annotated[str, AfterValidator(_server_address)]
"""http or https, without credentials, query, fragment and trailing slash."""

HeaderLines = Annotated[dict[str, str], AfterValidator(_header_lines), Field(repr=False)]
"""Extra request headers. Their values may be secrets, so they stay out of every repr."""

ApiKey = Annotated[SecretStr, AfterValidator(_key_text)]


class ServerSettings(BaseModel):
    """How a server is reached and who we are to it. Times are in seconds.

    `connect_timeout` bounds opening a connection, `timeout` small questions (health, list of models).
    `model_refresh_interval` is the least time between two looks at the list of models. The files are PEM;
    `ca_file` replaces the system's authorities. `proxy`: an http:// forward proxy.

    Of several `api_keys` one goes with each request. One that was refused is left alone for
    `key_recheck_interval`; then a health check tries it again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: ApiKey = SecretStr(NO_KEY)
    api_keys: tuple[ApiKey, ...] = ()
    key_recheck_interval: float = Field(default=RECHECK_AFTER, gt=0)
    headers: HeaderLines = {}
    connect_timeout: float = Field(default=5, gt=0)
    timeout: float = Field(default=30, gt=0)
    model_refresh_interval: float = Field(default=300, ge=0)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    proxy: str | None = Field(default=None, repr=False)

    @staticmethod
    def credential(key: str) -> Header:
        """The header line that shows a key."""
        return "authorization", f"Bearer {key}"

    @property
    def keys(self) -> tuple[str, ...]:
        """Each once, in the order given; none where `headers` have a credential, for these have the last word."""
        if self.credential("")[0] in {name.lower() for name in self.headers}:
            return ()
        return tuple(dict.fromkeys(_texts(*(self.api_keys or (self.api_key,)))))

    @property
    def has_key(self) -> bool:
        return bool(self.keys)

    def request_headers(self) -> dict[str, str]:
        """What goes with every request, an only key included."""
        only = self.keys if len(self.keys) == 1 else ()
        return {**dict(map(self.credential, only)), **self.headers}

    def transport(self) -> TransportSettings:
        return TransportSettings(
            connect_timeout=self.connect_timeout,
            verify=self.verify,
            ca_file=self.ca_file,
            client_cert_file=self.cert_file,
            client_key_file=self.key_file,
            proxy=self.proxy,
        )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if self.api_keys and _texts(self.api_key):
            raise ValueError("set api_key or api_keys, not both; a key in the environment counts as api_key")
        return self


class UpstreamSettings(ServerSettings):
    """And `first_byte_timeout`: the wait for the head of an answer. The platform's own limits for a call stand
    besides.
    """

    first_byte_timeout: float = Field(default=600, gt=0)

    def transport(self) -> TransportSettings:
        return msgspec.structs.replace(super().transport(), first_byte_timeout=self.first_byte_timeout)


def _texts(*keys: SecretStr) -> list[str]:
    return [text for key in keys if (text := key.get_secret_value()) not in {"", NO_KEY}]
