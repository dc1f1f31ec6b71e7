"""What an operator may set for Anthropic, or for another server of its Messages API."""

from pydantic import Field

from app.integrations.kit.keys import Header
from app.integrations.kit.settings import BaseUrl, UpstreamSettings

DEFAULT_BASE_URL = "https://api.anthropic.com"
BETA = "anthropic-beta"
VERSION = "anthropic-version"

_WITHOUT_SAMPLING = "2026-10-21"


class AnthropicSettings(UpstreamSettings):
    """`settings` of an Anthropic integration.

    `base_url` is taken with and without a closing /v1. `models` are offered besides what the server lists; with
    `discover` off, they alone are. `version` goes with what the platform itself asks, a caller of the same format
    has its own. `max_tokens` bounds an answer where neither the caller nor the list of models gives a limit, which
    this API requires. `cache_prompts`: have the prompts of callers of other formats cached, who can't ask for it.
    """

    base_url: BaseUrl = DEFAULT_BASE_URL
    models: list[str] = Field(default_factory=list)
    discover: bool = True
    version: str = Field(default="2023-06-01", pattern=r"^\d{4}-\d{2}-\d{2}$")
    max_tokens: int = Field(default=8192, ge=1)
    cache_prompts: bool = False

    @property
    def root(self) -> str:
        return self.base_url.removesuffix("/v1")

    @property
    def has_sampling(self) -> bool:
        """Newer versions refuse temperature, top_p and top_k: https://platform.claude.com/docs/en/api/migration-2026-10-21"""
        return self.version < _WITHOUT_SAMPLING

    @property
    def beta(self) -> str:
        return next((value for name, value in self.headers.items() if name.lower() == BETA), "")

    @staticmethod
    def credential(key: str) -> Header:
        """The header line that shows a key."""
        return "x-api-key", key

    @property
    def keys(self) -> tuple[str, ...]:
        """A bearer token among `headers` is a credential too."""
        return () if "authorization" in self._given else super().keys

    def request_headers(self) -> dict[str, str]:
        """What goes with every request, an only key included."""
        own = {} if VERSION in self._given else {VERSION: self.version}
        return {**own, **super().request_headers()}

    @property
    def _given(self) -> set[str]:
        return {name.lower() for name in self.headers}
