"""Types for the settings that integrations with an HTTP upstream have in common."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

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


BaseUrl = Annotated[str, AfterValidator(_server_address)]
"""http or https, without credentials, query, fragment and trailing slash."""

HeaderLines = Annotated[dict[str, str], AfterValidator(_header_lines), Field(repr=False)]
"""Extra request headers. Their values may be secrets, so they stay out of every repr."""
