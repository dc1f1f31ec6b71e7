"""What an operator may set for Anthropic, or for another server of its Messages API."""

from pydantic import Field

from app.integrations.kit.settings import BaseUrl, UpstreamSettings

DEFAULT_BASE_URL = "https://api.anthropic.com"
BETA = "anthropic-beta"
VERSION = "anthropic-version"

_CREDENTIALS = frozenset({"x-api-key", "authorization"})
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

    def request_headers(self) -> dict[str, str]:
        """What goes with every request, the credential included; `headers` have the last word."""
        given = {name.lower() for name in self.headers}
        own = {VERSION: self.version} if VERSION not in given else {}
        if self.has_key and not given & _CREDENTIALS:
            own["x-api-key"] = self.api_key.get_secret_value()
        return {**own, **self.headers}
