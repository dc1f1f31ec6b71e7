"""What an operator may set for one OpenAI-compatible server or cloud."""

import re
from urllib.parse import urlsplit

import msgspec
from pydantic import Field

from app.integrations.kit.settings import BaseUrl, UpstreamSettings
from app.integrations.model_platforms.openai_compatible.vendor import Vendor

_VERSION = re.compile(r"/v\d+[a-z0-9]*$")


class OpenAICompatibleSettings(UpstreamSettings):
    """`settings` of an OpenAI-compatible integration; what is not set comes from the vendor's row.

    `base_url` is taken with and without its closing /v1; where the API is elsewhere below it, `api_prefix` says so
    ("" for the root itself). `models` are offered besides what the server lists; with `discover` off, they alone
    are. `drop_params` names fields that the server refuses; `completions`, `embeddings` and
    `responses`: whether it has those.
    """

    base_url: BaseUrl | None = None
    api_prefix: str | None = Field(default=None, pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    models: tuple[str, ...] = ()
    discover: bool = True
    drop_params: frozenset[str] = frozenset()
    completions: bool | None = None
    embeddings: bool | None = None
    responses: bool | None = None

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


def _split(url: str, prefix: str) -> tuple[str, str]:
    """The root, and the API's path below it: the end of `url` where that is the vendor's or names a version."""
    path = urlsplit(url).path
    version = _VERSION.search(path)
    found = prefix if prefix and path.endswith(prefix) else version[0] if version else ""
    return (url.removesuffix(found), found) if found else (url, prefix)
