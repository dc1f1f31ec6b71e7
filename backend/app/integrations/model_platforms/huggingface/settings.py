"""What an operator may set for Hugging Face."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from app.integrations.kit.settings import BaseUrl, UpstreamSettings

ROUTER = "https://router.huggingface.co"
HUB = "https://huggingface.co"


class HuggingFaceHubSettings(UpstreamSettings):
    """`settings` of the Hugging Face integration. `api_key` is a token; one that may call Inference Providers lets
    models there be asked. Without any the Hub's public models can be found and fetched all the same.

    `base_url` is the router's, with or without /v1; HF_ENDPOINT, which names another Hub, leaves it alone.
    `bill_to`: the organisation that pays instead of the token's owner. `list_providers`: whether each model is
    also offered once per provider, as `org/name:provider`, with that provider's context length and price.
    `embedding_models` are offered besides: the router lists models for chat alone.

    `inference`: false where the Hub, or a mirror of it, can be reached and the router can't.

    `hub_url`: where models are found and fetched; `offline` forbids both. `directory`: where they are put, by
    default the folder of `custom_models`, which runs them, or one in `data_dir`.
    """

    base_url: Annotated[BaseUrl, AfterValidator(lambda url: url.removesuffix("/v1"))] = ROUTER
    bill_to: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    list_providers: bool = False
    embedding_models: tuple[str, ...] = ()
    inference: bool = True
    hub_url: BaseUrl = HUB
    offline: bool = False
    directory: Path | None = None
    data_dir: Path | None = None

    def request_headers(self) -> dict[str, str]:
        billed = {"x-hf-bill-to": self.bill_to} if self.bill_to else {}
        return {**billed, **super().request_headers()}
