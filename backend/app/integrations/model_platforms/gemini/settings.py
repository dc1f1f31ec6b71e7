"""What an operator may set for Gemini."""

from pydantic import Field

from app.integrations.kit.keys import Header
from app.integrations.kit.settings import BaseUrl, UpstreamSettings

DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com"


class GeminiSettings(UpstreamSettings):
    """`settings` of a Gemini integration. `models` are offered besides those that Gemini lists; with `discover`
    off, they alone are.
    """

    base_url: BaseUrl = DEFAULT_BASE_URL
    api_version: str = Field(default="v1beta", pattern=r"^v\d+[a-z0-9]*$")
    models: tuple[str, ...] = ()
    discover: bool = True

    @property
    def root(self) -> str:
        """The address as the API's path is joined to it, whether or not it was given with the version."""
        return self.base_url.removesuffix(self.prefix)

    @property
    def prefix(self) -> str:
        return f"/{self.api_version}"

    @staticmethod
    def credential(key: str) -> Header:
        """A header, and not a part of the address, which ends up in logs."""
        return "x-goog-api-key", key
