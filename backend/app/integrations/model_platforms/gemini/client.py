"""What a model is asked for: an answer, vectors, the number of a request's tokens."""

import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from uuid import uuid4

from app.core.http import InboundResponse, OutboundRequest
from app.core.http.upstream import Headers
from app.domain.chat import ChatRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.whole import Whole
from app.integrations.kit.answers import decoded
from app.integrations.kit.streams import OwningStream
from app.integrations.kit.upstream import Upstream
from app.integrations.model_platforms.gemini import errors, names
from app.integrations.model_platforms.gemini.request import encode_chat, encode_count, encode_embeddings
from app.integrations.model_platforms.gemini.response import (
    AnswerDecoder,
    StreamDecoder,
    decode_count,
    decode_embeddings,
    join_embeddings,
)

_JSON = (("content-type", "application/json"),)


class GeminiClient:
    """`prefix`: the API's path below the upstream's base URL. `thinks`: whether a model thinks; None where that
    is not known. Raises PlatformError only.
    """

    def __init__(self, upstream: Upstream, prefix: str, thinks: Callable[[str], bool | None]) -> None:
        self._upstream = upstream
        self._provider = upstream.name
        self._prefix = prefix
        self._thinks = thinks

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        resource = names.resource(exchange.model, self._provider)
        model = names.bare(resource)
        body = encode_chat(exchange.request, model, thinks=self._thinks(model), dropped=exchange.dropped)
        method = "streamGenerateContent?alt=sse" if exchange.stream else "generateContent"
        response = await self._open(resource, method, body, exchange.trace)
        answer = AnswerDecoder(
            provider=self._provider,
            model=model,
            id=exchange.request_id or uuid4().hex,
            created=int(time.time()),
        )
        if exchange.stream:
            return OwningStream(decoded(response.chunks(), StreamDecoder(answer)), response)
        async with aclosing(response):
            body = await response.read()
        return Whole([*answer.add(body), *answer.end()])

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        """More texts than Gemini takes at once are asked for one lot after the other."""
        resource = names.resource(exchange.model, self._provider)
        answers = []
        for body, expected in encode_embeddings(exchange.request, resource, exchange.dropped):
            answer = await self._read(resource, "batchEmbedContents", body, exchange.trace)
            answers.append(decode_embeddings(answer, provider=self._provider, expected=expected))
        return Whole([join_embeddings(answers, names.bare(resource))])

    async def count_tokens(self, exchange: Exchange[ChatRequest]) -> int:
        resource = names.resource(exchange.model, self._provider)
        body = encode_count(exchange.request, names.bare(resource), resource)
        return decode_count(await self._read(resource, "countTokens", body), self._provider)

    async def _open(self, resource: str, method: str, body: bytes, trace: Headers = ()) -> InboundResponse:
        request = OutboundRequest(
            method="POST", path=f"{self._prefix}/{resource}:{method}", headers=(*_JSON, *trace), body=body
        )
        model = names.bare(resource)
        decode_error = partial(errors.decode, provider=self._provider, model=model)
        return await self._upstream.ask(request, decode_error, model=model)

    async def _read(self, resource: str, method: str, body: bytes, trace: Headers = ()) -> bytes:
        async with aclosing(await self._open(resource, method, body, trace)) as response:
            return await response.read()
