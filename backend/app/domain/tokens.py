"""A text as a model reads it, and the port of those that can tell."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from app.domain.chat import ChatRequest
from app.domain.exchange import Exchange
from app.domain.ports import ModelSource


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """`pieces`: each token as text; None where nobody asked, or where it is not told."""

    ids: Sequence[int]
    pieces: Sequence[str] | None = None


@runtime_checkable
class Tokenizer(ModelSource, Protocol):
    """Can tell which tokens a text is to one of its models, and back. `pieces`: with each token as text.

    Every method raises UnsupportedFeature where this model, or this request, has no such thing.
    """

    async def tokenize(self, model: str, text: str, *, special: bool, pieces: bool) -> Tokens:
        """`special`: with those that the model wants around each text. Those written in it are read as such."""
        ...

    async def tokenize_chat(self, exchange: Exchange[ChatRequest], *, pieces: bool) -> Tokens:
        """As the prompt of an answer."""
        ...

    async def detokenize(self, model: str, ids: Sequence[int]) -> str:
        """Raises InvalidRequest for a number that is no token."""
        ...


def piece_text(piece: str | Sequence[int]) -> str:
    """A piece that is no whole character, half of an emoji say, comes from llama.cpp as bytes: they read \\xf0."""
    return piece if isinstance(piece, str) else bytes(piece).decode(errors="backslashreplace")
