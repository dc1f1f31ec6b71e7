"""The client's half of the OpenAI dialect to one Upstream: chat, responses, text completions, embeddings.

A request that came in the same format leaves as the bytes that came, and its answer comes back as Opaque events.
Any other is encoded, and its answer decoded. Not here: which models there are, and whose server it is.
"""

from functools import partial
from typing import TypeVar

from app.core.http import OutboundRequest
from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.integrations.kit.answers import answer
from app.integrations.kit.openai_formats import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Format
from app.integrations.kit.refused import drop
from app.integrations.kit.upstream import Upstream
from app.wire import call_ids
from app.wire.openai_chat import errors
from app.wire.openai_chat.sampling import DEFAULT_PROFILE, Profile

R = TypeVar("R")

_JSON = ("content-type", "application/json")


class OpenAICompatibleClient:
    """`prefix`: the API's path below the upstream's base URL. `refused`: fields to leave out, see refused.drop.
    `profile`: what the server takes of a request that is put into its format here. `responses`: it offers
    /responses too, and what came in that format is handed on to it. `chat_format`: it offers /chat/completions; if
    not, every chat goes to /responses.
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
    ) -> None:
        self._upstream = upstream
        self._decode_error = partial(errors.decode, provider=upstream.name)
        self._prefix = prefix
        self._refused = refused
        self._profile = profile
        self._responses = responses
        self._chat = CHAT if chat_format else RESPONSES

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        encoded = exchange.encoded
        handed_on = self._responses and encoded is not None and encoded.format == RESPONSES.name
        return await self._send(exchange, RESPONSES if handed_on else self._chat)

    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream:
        return await self._send(exchange, COMPLETIONS)

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        return await self._send(exchange, EMBEDDINGS)

    async def _send(self, exchange: Exchange[R], format: Format[R]) -> EventStream:
        """Returns on the head of a 200 answer. Raises what any other means, and what the transport raises."""
        body = exchange.body_as(format.name)
        untouched = body is not None
        if body is None:
            body = format.encode(exchange, self._profile)
        if self._refused:
            body = drop(body, self._refused)
        body = call_ids.without_signatures(body)
        headers = (_JSON, ("x-request-id", exchange.request_id)) if exchange.request_id else (_JSON,)
        request = OutboundRequest(method="POST", path=self._prefix + format.path, headers=headers, body=body)
        response = await self._upstream.ask(request, self._decode_error, model=exchange.model)
        return answer(response, format, self._upstream.name, stream=exchange.stream, untouched=untouched)
