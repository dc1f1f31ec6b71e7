"""Texts and chats as the tokens of a model in memory, and back: by llama.cpp itself, and without a slot."""

from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, TypeVar

import msgspec

from app.domain.errors import InvalidRequest, PayloadTooLarge
from app.domain.tokens import Tokens, piece_text
from app.integrations.model_platforms.local_models import failures, inference
from app.integrations.model_platforms.local_models.engine import Engine, EngineClosed
from app.integrations.model_platforms.local_models.inference import Source
from app.integrations.model_platforms.local_models.questions import Question

T = TypeVar("T")

# Half a second of work, and up to as many tokens.
_LONGEST_BYTES = 1 << 20


class _Refusal(msgspec.Struct, frozen=True):
    error: dict[str, Any] | None = None


class _Ids(msgspec.Struct, frozen=True):
    tokens: list[int]


class _Piece(msgspec.Struct, frozen=True, gc=False):
    """`piece`: its bytes where it is no text."""

    id: int
    piece: str | list[int]


class _Pieces(msgspec.Struct, frozen=True):
    tokens: list[_Piece]


class _Prompt(msgspec.Struct, frozen=True):
    prompt: str


class _Text(msgspec.Struct, frozen=True):
    content: str


class Vocabulary:
    """Every method raises PlatformError."""

    def __init__(self, engine: Engine, source: Source) -> None:
        self._engine = engine
        self._source = source

    async def tokenize(self, text: str, *, special: bool, pieces: bool) -> Tokens:
        """`special`: with those that the model wants at the beginning or the end of each text."""
        if len(text.encode()) > _LONGEST_BYTES:
            raise PayloadTooLarge(
                "A text of more than 1 MiB is not put into tokens: send it in parts.", param="prompt"
            )
        question = {"content": text, "add_special": special, "parse_special": True, "with_pieces": pieces}
        body = msgspec.json.encode(question)
        if not pieces:
            return Tokens(ids=(await self._ask("/tokenize", body, _Ids)).tokens)
        found = (await self._ask("/tokenize", body, _Pieces)).tokens
        return Tokens(ids=[each.id for each in found], pieces=[piece_text(each.piece) for each in found])

    async def tokenize_chat(self, question: Question, *, pieces: bool) -> Tokens:
        """The prompt that an answer would begin with."""
        laid_out = await self._ask("/apply-template", question.body, _Prompt)
        return await self.tokenize(laid_out.prompt, special=True, pieces=pieces)

    async def detokenize(self, ids: Sequence[int]) -> str:
        return (await self._ask("/detokenize", msgspec.json.encode({"tokens": ids}), _Text)).content

    async def _ask(self, path: str, body: bytes, kind: type[T]) -> T:
        source = self._source
        try:
            answer = await self._engine.ask(path, body)
        except (EngineClosed, OSError, HTTPException):
            raise inference.left(source) from None
        error = msgspec.json.decode(answer, type=_Refusal).error
        if error is None:
            return msgspec.json.decode(answer, type=kind)
        if path == "/detokenize" and error.get("code") == 500:
            # It looks a number up where there is none.
            raise InvalidRequest(f"'{source.model}' has no token of one of these numbers.", param="tokens")
        raise failures.from_answer(error, provider=source.provider, model=source.model, window=source.window)
