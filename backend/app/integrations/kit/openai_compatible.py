"""The client's half of the OpenAI dialect to one Upstream: chat, responses, text completions, embeddings.

A request that came in the same format leaves as the bytes that came, and its answer comes back as Opaque events;
only the usage of a stream is always asked for, and kept from who did not ask. Any other is encoded, and its
answer decoded. Not here: which models there are, and whose server it is.
"""

import logging
from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from app.core.http import InboundResponse, OutboundRequest
from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import InvalidRequest
from app.domain.events import EventStream
from app.domain.exchange import HOPS_HEADER, Exchange
from app.domain.rerank import RerankRequest
from app.integrations.kit.answers import answer
from app.integrations.kit.openai_formats import CHAT, COMPLETIONS, EMBEDDINGS, QUIET, RERANK, RESPONSES, Format
from app.integrations.kit.refused import add, drop
from app.integrations.kit.upstream import Upstream
from app.wire import call_ids
from app.wire.openai_chat import errors
from app.wire.openai_chat.sampling import DEFAULT_PROFILE, Profile
from app.wire.stream_options import STREAM_OPTIONS, ask_usage

R = TypeVar("R")

logger = logging.getLogger(__name__)

_JSON = ("content-type", "application/json")


class OpenAICompatibleClient:
    """`prefix`: the API's path below the upstream's base URL. `refused`: fields to leave out, see refused.drop.
    `profile`: what the server takes of a request that is put into its format here. `responses`: it offers
    /responses too, and what came in that format is handed on to it. `chat_format`: it offers /chat/completions; if
    not, every chat goes to /responses. `defaults`: fields that a chat gets where it lacks them.
    """

    def __init__(
        self,
        upstream: Upstream,
        prefix: str = "/v1",
        refused: frozenset[str] = frozenset(),
        profile: Profile = DEFAULT_PROFILE,
        *,
        responses: bool = False,
        chat_format: bool = True,
        defaults: Mapping[str, object] | None = None,
    ) -> None:
        self._upstream = upstream
        self._decode_error = partial(errors.decode, provider=upstream.name)
        self._prefix = prefix
        self._refused = refused
        self._profile = profile
        self._responses = responses
        self._chat = CHAT if chat_format else RESPONSES
        self._defaults = defaults or {}
        self._silent: set[str] = set()

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        encoded = exchange.encoded
        handed_on = self._responses and encoded is not None and encoded.format == RESPONSES.name
        return await self._send(exchange, RESPONSES if handed_on else self._chat)

    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream:
        return await self._send(exchange, COMPLETIONS)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        return await self._send(exchange, EMBEDDINGS)

    async def rerank(self, exchange: Exchange[RerankRequest]) -> EventStream:
        return await self._send(exchange, RERANK)

    async def _send(self, exchange: Exchange[R], format: Format[R]) -> EventStream:
        """Returns on the head of a good answer. Raises what any other means, and what the transport raises."""
        own = exchange.body_as(format.name)
        body = self._encoded(exchange, format) if own is None else self._asking(own, exchange, format)
        asking = exchange.stream and body is not own
        try:
            response = await self._post(exchange, format, body)
        except InvalidRequest as error:
            if not asking or STREAM_OPTIONS not in f"{error.param} {error.message}":
                raise
            response = await self._post(exchange, format, drop(own or body, {STREAM_OPTIONS}))
            self._note_silent(exchange.model)
        answered = QUIET[format.name] if asking and own is not None else format
        name, untouched = self._upstream.name, own is not None
        return await answer(response, answered, name, stream=exchange.stream, untouched=untouched)

    def _encoded(self, exchange: Exchange[R], format: Format[R]) -> bytes:
        """Asks for usage on its own account, so no caller misses it where the question has to be left out."""
        return drop(format.encode(exchange, self._profile), self._refuses(exchange.model) & {STREAM_OPTIONS})

    def _asking(self, body: bytes, exchange: Exchange[R], format: Format[R]) -> bytes:
        """The figures of a stream are wanted whether the caller asks for them or not."""
        asks = exchange.stream and format.name in QUIET and STREAM_OPTIONS not in self._refuses(exchange.model)
        return ask_usage(body) if asks else body

    async def _post(self, exchange: Exchange[R], format: Format[R], body: bytes) -> InboundResponse:
        if refused := self._refuses(exchange.model):
            body = drop(body, refused, exchange.dropped)
        if self._defaults and format is CHAT:
            body = add(body, self._defaults)
        body = call_ids.without_signatures(body)
        headers: tuple[tuple[str, str], ...] = (_JSON, (HOPS_HEADER, str(exchange.hops + 1)), *exchange.trace)
        if exchange.request_id:
            headers = (*headers, ("x-request-id", exchange.request_id))
        request = OutboundRequest(method="POST", path=self._prefix + format.path, headers=headers, body=body)
        return await self._upstream.ask(request, self._decode_error, model=exchange.model)

    def _refuses(self, model: str) -> frozenset[str]:
        return self._refused | {STREAM_OPTIONS} if model in self._silent else self._refused

    def _note_silent(self, model: str) -> None:
        """Servers that refuse what they do not know are many, and not all of them known."""
        if model not in self._silent:
            self._silent.add(model)
            name = self._upstream.name
            logger.warning("%s: '%s' takes no %s: its usage is estimated", name, model, STREAM_OPTIONS)
