"""What an operator may set for one Ollama server."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

DEFAULT_BASE_URL = "http://localhost:11434"

_CLOUD = "ollama.com"

# Go's time.ParseDuration, which Ollama reads keep_alive with: "5m", "1h30m", "-1s".
_GO_DURATION = re.compile(r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _server_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"expected http://host[:port] or https://host[:port], such as {DEFAULT_BASE_URL}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a credential does not belong in the address: set api_key")
    if parts.query or parts.fragment:
        raise ValueError("an address has no ?query and no #fragment")
    return url.rstrip("/")


def _duration(value: str | float) -> str | float:
    if isinstance(value, str) and not _GO_DURATION.fullmatch(value):
        raise ValueError("expected seconds, or a duration such as '10m'; -1 keeps a model loaded for good")
    return value


def _header_lines(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not value.isprintable():
            raise ValueError(f"{name!r} is no header name, or its value holds control characters")
    return headers


class OllamaSettings(BaseModel):
    """`settings` of an Ollama integration. Times are in seconds.

    `connect_timeout` bounds opening a connection; `timeout` bounds the management calls (version, list, show,
    delete); `load_timeout` bounds the wait for the first byte of an answer, for which Ollama may have to read
    a model from disk. `num_ctx` fixes the context length, in tokens, of every model; without it a model gets
    what its Modelfile says, else what it was trained with but at most `max_num_ctx` (a long context costs
    memory). `keep_alive`: how long a model stays loaded after a request, Ollama's default being 5m. `api_key`
    is sent as a bearer token (Ollama's cloud, or a proxy in front of a server). `model_refresh_interval`: the
    least time between two looks at the list of models.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: Annotated[str, AfterValidator(_server_address)] = DEFAULT_BASE_URL
    connect_timeout: float = Field(default=5, gt=0)
    timeout: float = Field(default=30, gt=0)
    load_timeout: float = Field(default=300, gt=0)
    num_ctx: int | None = Field(default=None, ge=16)
    max_num_ctx: int = Field(default=8192, ge=16)
    keep_alive: Annotated[str | float, AfterValidator(_duration)] | None = None
    api_key: SecretStr | None = None
    headers: Annotated[dict[str, str], AfterValidator(_header_lines)] = Field(default_factory=dict, repr=False)
    model_refresh_interval: float = Field(default=30, ge=0)

    @property
    def in_cloud(self) -> bool:
        """Whether the server is Ollama's own (https://docs.ollama.com/cloud): it offers models, but no memory of
        ours for them, so it has neither /api/ps nor a context length to be asked for.
        """
        host = urlsplit(self.base_url).hostname or ""
        return host == _CLOUD or host.endswith(f".{_CLOUD}")

    def outbound_headers(self) -> tuple[tuple[str, str], ...]:
        """What goes with every request to the server, the credential included."""
        headers = tuple(self.headers.items())
        if self.api_key is None:
            return headers
        return (*headers, ("authorization", f"Bearer {self.api_key.get_secret_value()}"))
