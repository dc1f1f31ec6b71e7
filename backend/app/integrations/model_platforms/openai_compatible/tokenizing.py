"""Texts into tokens and back, by a server's own tokenizer. What each calls things is data: Vendor.tokenizing."""

from collections.abc import Mapping, Sequence

import msgspec

from app.core.http import Transport, post_json
from app.domain.chat import ChatRequest
from app.domain.errors import PlatformError, ProviderProtocolError, UnsupportedFeature
from app.domain.exchange import Exchange
from app.domain.tokens import Tokens, piece_text
from app.integrations.kit.listing import at
from app.integrations.kit.openai_formats import CHAT
from app.integrations.model_platforms.openai_compatible.counting import MEDIA
from app.integrations.model_platforms.openai_compatible.vendor import Tokenizing, Vendor
from app.wire.openai_chat import errors

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Token(msgspec.Struct, frozen=True):
    id: int
    piece: str | list[int]


class _Tokens(msgspec.Struct, frozen=True):
    tokens: list[int | _Token]
    token_strs: list[str] | None = None


class ServerTokenizer:
    """Every method raises what the server refuses, UnsupportedFeature where it lacks the route, UpstreamError."""

    def __init__(self, transport: Transport, vendor: Vendor, names: Tokenizing, patience: float) -> None:
        self._transport = transport
        self._vendor = vendor
        self._names = names
        self._patience = patience

    async def tokenize(self, model: str, text: str, *, special: bool, pieces: bool) -> Tokens:
        names = self._names
        wanted = {} if names.pieces is None else {names.pieces: pieces}
        return await self._tokens(
            {"model": model, names.text: text, names.special: special, **wanted, **names.constants}
        )

    async def tokenize_chat(self, exchange: Exchange[ChatRequest], *, pieces: bool) -> Tokens:
        body = exchange.body_as(CHAT.name)
        if body is None:
            body = CHAT.encode(exchange, self._vendor.profile)
        chat, names = _object.decode(body), self._names
        if names.template is not None:
            if any(mark in body for mark in MEDIA):
                # One mark in a template, and many tokens in the prompt.
                raise UnsupportedFeature(f"'{self._transport.name}' tells the tokens of text alone.")
            prompt = await self._text(names.template, chat, "prompt")
            return await self.tokenize(exchange.model, prompt, special=True, pieces=pieces)
        if names.pieces is None or not names.chat:
            raise UnsupportedFeature(f"'{self._transport.name}' tells the tokens of a text, and of no chat.")
        kept = {name: value for name, value in chat.items() if name in names.chat}
        return await self._tokens({**kept, names.pieces: pieces})

    async def detokenize(self, model: str, ids: Sequence[int]) -> str:
        question = {"model": model, "tokens": ids, **self._names.back_constants}
        return await self._text("/detokenize", question, self._names.back)

    async def _tokens(self, question: object) -> Tokens:
        try:
            told = msgspec.convert(await self._ask("/tokenize", question), _Tokens)
        except msgspec.ValidationError:
            raise self._unknown() from None
        ids = [each.id if isinstance(each, _Token) else each for each in told.tokens]
        pieces = [piece_text(each.piece) for each in told.tokens if isinstance(each, _Token)]
        return Tokens(ids=ids, pieces=pieces or told.token_strs)

    async def _text(self, path: str, question: object, field: str) -> str:
        found = at(await self._ask(path, question), field)
        if not isinstance(found, str):
            raise self._unknown()
        return found

    async def _ask(self, path: str, question: object) -> object:
        return await post_json(
            self._transport,
            self._vendor.locate(path),
            question,
            decode_error=self._error,
            first_byte_timeout=self._patience,
        )

    def _unknown(self) -> ProviderProtocolError:
        name = self._transport.name
        return ProviderProtocolError(f"'{name}' tells tokens in an unknown form.", provider=name)

    def _error(self, status: int, headers: Mapping[str, str], body: bytes) -> PlatformError:
        return errors.decode(status, headers, body, self._transport.name)
