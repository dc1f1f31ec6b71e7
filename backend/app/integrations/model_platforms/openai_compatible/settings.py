"""What an operator may set for one OpenAI-compatible server or cloud."""

import re
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.core.http import TransportSettings
from app.integrations.kit.settings import BaseUrl, HeaderLines
from app.integrations.model_platforms.openai_compatible.catalogue import Vendor

NO_KEY = "not-needed"
"""As an api_key: the server asks for none."""

_VERSION = re.compile(r"/v\d+[a-z0-9]*$")


class OpenAICompatibleSettings(BaseModel):
    """`settings` of an OpenAI-compatible integration; what is not set comes from the vendor's row.

    `base_url` is taken with and without its closing /v1; where the API is elsewhere below it, `api_prefix` says so
    ("" for the root itself). `models` are offered besides what the server lists; with `discover` off, they alone
    are. `drop_params` names fields that the server refuses; `completions`, `embeddings` and
    `responses`: whether it has those.

    Times are in seconds. `connect_timeout` bounds opening a connection, `timeout` small questions (health,
    list of models), `first_byte_timeout` the wait for the head of an answer; the platform's own limits for a
    call stand besides. `model_refresh_interval` is the least time between two looks at the list. The files are
    PEM; `ca_file` replaces the system's authorities. `proxy`: an http:// forward proxy.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: BaseUrl | None = None
    api_prefix: str | None = Field(default=None, pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    api_key: SecretStr = SecretStr(NO_KEY)
    headers: HeaderLines = {}
    connect_timeout: float = Field(default=5, gt=0)
    timeout: float = Field(default=30, gt=0)
    first_byte_timeout: float = Field(default=600, gt=0)
    models: list[str] = []
    discover: bool = True
    model_refresh_interval: float = Field(default=300, ge=0)
    drop_params: frozenset[str] = frozenset()
    completions: bool | None = None
    embeddings: bool | None = None
    responses: bool | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    proxy: str | None = Field(default=None, repr=False)

    @property
    def has_key(self) -> bool:
        return self.api_key.get_secret_value() not in {"", NO_KEY}

    def vendor(self, row: Vendor) -> Vendor:
        """`row` with what is set here in its place. Its base_url is None if nobody named one."""
        root, prefix = _split(self.base_url or row.base_url or "", row.prefix)
        return msgspec.structs.replace(
            row,
            base_url=root or None,
            prefix=prefix if self.api_prefix is None else self.api_prefix,
            refused=row.refused | self.drop_params,
            completions=row.completions if self.completions is None else self.completions,
            embeddings=row.embeddings if self.embeddings is None else self.embeddings,
            responses=row.responses if self.responses is None else self.responses,
        )

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


def _split(url: str, prefix: str) -> tuple[str, str]:
    """The root, and the API's path below it: the end of `url` where that is the vendor's or names a version."""
    path = urlsplit(url).path
    version = _VERSION.search(path)
    found = prefix if prefix and path.endswith(prefix) else version[0] if version else ""
    return (url.removesuffix(found), found) if found else (url, prefix)
