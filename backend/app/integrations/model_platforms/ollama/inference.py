"""What a model is asked for: a chat, a completion, vectors; and `generate`, the shortcut for scripts."""

from contextlib import aclosing
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec

from app.domain.chat import (
    ChatRequest,
    ChatResult,
    CompletionRequest,
    FinishReason,
    ReasoningPart,
    Sampling,
    TextPart,
)
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import InvalidRequest
from app.domain.events import EventStream
from app.domain.exchange import Exchange
from app.domain.streams import collect
from app.domain.usage import Usage
from app.domain.whole import Whole
from app.integrations.model_platforms.ollama.client import OllamaClient
from app.integrations.model_platforms.ollama.library import ModelLibrary
from app.integrations.model_platforms.ollama.request import (
    ModelTerms,
    encode_chat,
    encode_completion,
    encode_embedding,
    encode_generation,
)
from app.integrations.model_platforms.ollama.response import StreamDecoder, decode_embeddings
from app.integrations.model_platforms.ollama.settings import OllamaSettings
from app.integrations.model_platforms.ollama.streams import ChainedStream, answer_stream

# Of a model that is pinned; each request says it anew.
_FOR_GOOD = -1


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """What `generate` returns. `str()` of it is the text."""

    model: str
    text: str
    reasoning: str = ""
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()

    def __str__(self) -> str:
        return self.text


class Inference:
    """Speaks to one server's models. Methods raise PlatformError only."""

    def __init__(
        self, client: OllamaClient, library: ModelLibrary, *, provider: str, settings: OllamaSettings
    ) -> None:
        self._client = client
        self._library = library
        self._provider = provider
        self._settings = settings

    async def chat(self, exchange: Exchange[ChatRequest]) -> EventStream:
        terms = await self.terms(exchange.model)
        body = encode_chat(exchange.request, terms, dropped=exchange.dropped)
        return await self._answer("/api/chat", body, terms, exchange)

    async def complete(self, exchange: Exchange[CompletionRequest]) -> EventStream:
        """Several prompts are answered one after another: Ollama takes one at a time."""
        terms = await self.terms(exchange.model)
        request = exchange.request
        if not request.prompts:
            raise InvalidRequest("A completion needs a prompt.", param="prompt")
        bodies = [encode_completion(request, each, terms, dropped=exchange.dropped) for each in request.prompts]
        openers = [
            partial(self._answer, "/api/generate", body, terms, exchange, choice=choice)
            for choice, body in enumerate(bodies)
        ]
        first = await openers[0]()
        return first if len(openers) == 1 else ChainedStream(first, openers[1:])

    async def embed(self, exchange: Exchange[EmbeddingRequest]) -> EventStream:
        terms = await self.terms(exchange.model)
        body = await self._client.read(
            "/api/embed",
            encode_embedding(exchange.request, terms),
            model=terms.model,
            first_byte_timeout=self._settings.load_timeout,
            trace=exchange.trace,
        )
        expected = len(exchange.request.inputs)
        return Whole([decode_embeddings(body, provider=self._provider, model=terms.model, expected=expected)])

    async def generate(self, model: str, prompt: str, *, system: str | None, sampling: Sampling) -> Generation:
        terms = await self.terms(model)
        stream = await self._answer("/api/generate", encode_generation(prompt, terms, system, sampling), terms)
        async with aclosing(stream):
            return _generation(await collect(stream))

    async def terms(self, model: str) -> ModelTerms:
        """How `model` is to be asked. Raises ModelNotFound."""
        known = await self._library.find(model)
        return ModelTerms(
            model=known.info.id,
            num_ctx=known.num_ctx,
            keep_alive=_FOR_GOOD if self._library.is_pinned(known.info.id) else self._settings.keep_alive,
            can_think="reasoning" in known.info.capabilities,
        )

    async def _answer(
        self, path: str, body: bytes, terms: ModelTerms, exchange: Exchange[Any] | None = None, *, choice: int = 0
    ) -> EventStream:
        response = await self._client.open(
            path,
            body,
            model=terms.model,
            first_byte_timeout=self._settings.load_timeout,
            trace=exchange.trace if exchange else (),
        )
        decoder = StreamDecoder(
            provider=self._provider,
            model=terms.model,
            id=(exchange.request_id if exchange else "") or uuid4().hex,
            choice=choice,
            num_ctx=terms.num_ctx,
        )
        return answer_stream(response, decoder)


def _generation(result: ChatResult) -> Generation:
    choice = result.choices[0]
    parts = choice.message.content
    return Generation(
        model=result.model,
        text="".join(part.text for part in parts if isinstance(part, TextPart)),
        reasoning="".join(part.text for part in parts if isinstance(part, ReasoningPart)),
        finish_reason=choice.finish_reason or "stop",
        usage=result.usage or Usage(),
    )
