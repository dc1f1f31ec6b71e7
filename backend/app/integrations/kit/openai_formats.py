"""The formats of the OpenAI dialect, each as the functions that its wire code offers."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Generic, TypeVar

import msgspec

from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import Opaque, StreamEvent
from app.domain.exchange import Exchange
from app.domain.rerank import RerankRequest
from app.domain.streams import explode
from app.domain.usage import Usage
from app.integrations.kit import openai_peek, openai_relay, responses_relay
from app.integrations.kit.answers import AnswerFormat
from app.wire import openai_embeddings, rerank
from app.wire.openai_chat import request as chat_request
from app.wire.openai_chat import response as chat_response
from app.wire.openai_chat.sampling import Profile
from app.wire.openai_chat.stream import StreamDecoder as ChatStreamDecoder
from app.wire.openai_completions import request as completion_request
from app.wire.openai_completions import response as completion_response
from app.wire.openai_completions.stream import StreamDecoder as CompletionStreamDecoder
from app.wire.openai_responses import request as responses_request
from app.wire.openai_responses import response as responses_response
from app.wire.openai_responses.stream import StreamDecoder as ResponsesStreamDecoder

R = TypeVar("R")


class Format(AnswerFormat, Generic[R], frozen=True, kw_only=True):
    """`path` counts from the API. `encode` puts the provider's own model name into the request."""

    path: str
    encode: Callable[[Exchange[R], Profile], bytes]
    look: Callable[[bytes, str], Usage | None] = openai_peek.look
    relay: Callable[[AsyncGenerator[bytes, None], str, str], AsyncGenerator[StreamEvent, None]] = (
        openai_relay.relay
    )


T = TypeVar("T", ChatRequest, CompletionRequest)


def _addressed(exchange: Exchange[T]) -> T:
    """A stream's figures are always asked for: whoever translates has to count."""
    return msgspec.structs.replace(
        exchange.request, model=exchange.model, stream=exchange.stream, include_usage=exchange.stream
    )


def _encode_embedding(exchange: Exchange[EmbeddingRequest], _: Profile) -> bytes:
    return openai_embeddings.encode(msgspec.structs.replace(exchange.request, model=exchange.model))


CHAT: Format[ChatRequest] = Format(
    name=chat_request.FORMAT,
    path="/chat/completions",
    encode=lambda exchange, profile: chat_request.encode(
        _addressed(exchange), profile=profile, dropped=exchange.dropped
    ),
    decode=lambda body, provider: explode(chat_response.decode(body, provider)),
    decoder=ChatStreamDecoder,
)

COMPLETIONS: Format[CompletionRequest] = Format(
    name=completion_request.FORMAT,
    path="/completions",
    encode=lambda exchange, profile: completion_request.encode(
        _addressed(exchange), profile=profile, dropped=exchange.dropped
    ),
    decode=lambda body, provider: explode(completion_response.decode(body, provider)),
    decoder=CompletionStreamDecoder,
)

EMBEDDINGS: Format[EmbeddingRequest] = Format(
    name=openai_embeddings.FORMAT,
    path="/embeddings",
    encode=_encode_embedding,
    decode=lambda body, provider: (openai_embeddings.decode_response(body, provider),),
)

RERANK: Format[RerankRequest] = Format(
    name=rerank.FORMAT,
    path="/rerank",
    encode=lambda exchange, _: rerank.encode(msgspec.structs.replace(exchange.request, model=exchange.model)),
    decode=lambda body, _: (Opaque(rerank.FORMAT, body, whole=True),),
    look=rerank.read_usage,
)

RESPONSES: Format[ChatRequest] = Format(
    name=responses_request.FORMAT,
    path="/responses",
    encode=lambda exchange, _: responses_request.encode(_addressed(exchange), dropped=exchange.dropped),
    decode=lambda body, provider: explode(responses_response.decode(body, provider)),
    decoder=ResponsesStreamDecoder,
    look=responses_relay.look,
    relay=responses_relay.relay,
)

QUIET: Mapping[str, AnswerFormat] = {
    format.name: msgspec.structs.replace(format, relay=openai_relay.quiet_relay) for format in (CHAT, COMPLETIONS)
}
"""The formats whose streams tell their usage on request, as they are handed on to a caller that did not ask."""
