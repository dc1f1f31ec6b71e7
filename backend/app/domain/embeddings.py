"""Texts in, vectors out."""

from typing import Any, Literal

import msgspec

from app.domain.usage import Usage


class EmbeddingRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Each input is text or token ids. `dimensions` asks for shorter vectors."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int | None = None
    encoding: Literal["float", "base64"] = "float"
    user: str | None = None
    extensions: dict[str, dict[str, Any]] = {}


class EmbeddingResult(msgspec.Struct, frozen=True, kw_only=True, tag="embedded"):
    """One vector per input, in the order of the inputs."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None = None
    extensions: dict[str, dict[str, Any]] = {}
