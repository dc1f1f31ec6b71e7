"""The client's half of the OpenAI dialect over a Transport: chat, responses, text completions, embeddings.

A request that came in the same format leaves as the bytes that came, and its answer comes back as Opaque events.
Any other is encoded, and its answer decoded. Not here: which models there are, and whose server it is.
"""

from contextlib import aclosing
from typing import TypeVar

from app.core.http import OutboundRequest, Transport, read_error
from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.integrations.kit.answers import answer
from app.integrations.kit.openai_formats import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Format
from app.integrations.kit.refused import drop
from app.wire.openai_chat import errors
from app.wire.openai_chat.sampling import DEFAULT_PROFILE, Profile

R = TypeVar("R")

_JSON = ("content-type", "application/json")


class OpenAICompatibleClient:
    """`prefix`: the API's path below the transport's base URL. `refused`: fields to leave out, see refused.drop.
    `profile`: what the server takes of a request that is put into its format here. `responses`: it offers
    /responses too, and what came in that format is handed on to it.
    """

    def __init__(
        self,
        transport: Transport,
        prefix: str = "/v1",
        refused: frozenset[str] = frozenset(),
        profile: Profile = DEFAULT_PROFILE,
        *,
        responses: bool = False,
    ) -> None:
        self._transport = transport
        self._prefix = prefix
        self._refused = refused
        self._profile = profile
        self._responses = responses

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        encoded = exchange.encoded
        handed_on = self._responses and encoded is not None and encoded.format == RESPONSES.name
        return await self._send(exchange, RESPONSES if handed_on else CHAT)

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
        headers = (_JSON, ("x-request-id", exchange.request_id)) if exchange.request_id else (_JSON,)
        response = await self._transport.open(
            OutboundRequest(method="POST", path=self._prefix + format.path, headers=headers, body=body)
        )
        if response.status != 200:
            async with aclosing(response):
                text = await read_error(response)
            raise errors.decode(response.status, response.headers, text, self._transport.name)
        return answer(response, format, self._transport.name, stream=exchange.stream, untouched=untouched)
