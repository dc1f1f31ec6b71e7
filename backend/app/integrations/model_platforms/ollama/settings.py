"""What an operator may set for one Ollama server."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from app.integrations.kit.settings import BaseUrl, ServerSettings

DEFAULT_BASE_URL = "http://localhost:11434"

_CLOUD = "ollama.com"

# Go's time.ParseDuration, which Ollama reads keep_alive with: "5m", "1h30m", "-1s".
_GO_DURATION = re.compile(r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0")


def _duration(value: str | float) -> str | float:
    if isinstance(value, str) and not _GO_DURATION.fullmatch(value):
        raise ValueError("expected seconds, or a duration such as '10m'; -1 keeps a model loaded for good")
    return value


class OllamaSettings(ServerSettings):
    """`settings` of an Ollama integration.

    `timeout` bounds the management calls (version, list, show, delete); `load_timeout`, in seconds, the wait for
    the first byte of an answer, for which Ollama may have to read a model from disk. `num_ctx` fixes the context
    length, in tokens, of every model; without it a model gets what its Modelfile says, else what it was trained
    with but at most `max_num_ctx` (a long context costs memory). `keep_alive`: how long a model stays loaded after
    a request, Ollama's default being 5m. `api_key` is sent as a bearer token (Ollama's cloud, or a proxy in front
    of a server).
    """

    base_url: BaseUrl = DEFAULT_BASE_URL
    load_timeout: float = Field(default=300, gt=0)
    num_ctx: int | None = Field(default=None, ge=16)
    max_num_ctx: int = Field(default=8192, ge=16)
    keep_alive: Annotated[str | float, AfterValidator(_duration)] | None = None
    model_refresh_interval: float = Field(default=30, ge=0)

    @property
    def in_cloud(self) -> bool:
        """Whether the server is Ollama's own (https://docs.ollama.com/cloud): it offers models, but no memory of
        ours for them, so it has neither /api/ps nor a context length to be asked for.
        """
        host = urlsplit(self.base_url).hostname or ""
        return host == _CLOUD or host.endswith(f".{_CLOUD}")
