"""What an operator may set for one Llama Stack server."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from app.integrations.kit.settings import BaseUrl, UpstreamSettings

DEFAULT_BASE_URL = "http://localhost:8321"

_API_PATHS = ("/v1/openai/v1", "/v1")
# The name before and after the server's own became OGX; a server reads one and ignores the other.
_PROVIDER_DATA_HEADERS = ("x-llamastack-provider-data", "x-ogx-provider-data")


def _root(url: str) -> str:
    for path in _API_PATHS:
        url = url.removesuffix(path)
    return url


class LlamaStackSettings(UpstreamSettings):
    """`settings` of a Llama Stack integration.

    `base_url` is taken with and without the path of its API. `provider_data` goes to the server with every
    request: what its providers want of each caller, such as {"together_api_key": "..."}. `responses`: whether
    requests of OpenAI's Responses format are handed on to the server's own /v1/responses, which has tools and
    files of its own; a server before 0.4 is spared them.
    """

    base_url: Annotated[BaseUrl, AfterValidator(_root)] = DEFAULT_BASE_URL
    provider_data: dict[str, Any] = Field(default={}, repr=False)
    responses: bool = True

    def request_headers(self) -> dict[str, str]:
        headers = super().request_headers()
        if not self.provider_data:
            return headers
        return {**dict.fromkeys(_PROVIDER_DATA_HEADERS, json.dumps(self.provider_data)), **headers}
