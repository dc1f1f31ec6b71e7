"""From an exchange to a question for an engine, and from its answer to the stream that the caller holds."""

from collections.abc import Callable
from typing import Any

import msgspec

from app.domain.chat import ChatRequest, CompletionRequest
from app.domain.embeddings import EmbeddingRequest
from app.domain.errors import PlatformError, UpstreamUnavailable
from app.domain.events import EventStream, Opaque, UsageReported
from app.domain.exchange import Exchange
from app.domain.usage import Usage
from app.domain.whole import Whole
from app.integrations.model_platforms.local_models import failures
from app.integrations.model_platforms.local_models.answers import Answer, Decode, PassOn, Telling
from app.integrations.model_platforms.local_models.engine import Engine, EngineClosed, Reading
from app.integrations.model_platforms.local_models.frames import Frames
from app.integrations.model_platforms.local_models.questions import (
    Question,
    chat_question,
    completion_question,
    embedding_body,
    read_fields,
)
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.integrations.model_platforms.local_models.runtime import Operation
from app.wire import openai_chat, openai_completions, openai_embeddings
from app.wire.openai_chat import request as chat_request
from app.wire.openai_chat.stream import StreamDecoder as ChatDecoder
from app.wire.openai_completions import request as completion_request
from app.wire.openai_completions.stream import StreamDecoder as CompletionDecoder


class Source(msgspec.Struct, frozen=True):
    """Who answers, for errors. `window`: tokens that one request may take."""

    provider: str
    model: str
    window: int


def chat(exchange: Exchange[ChatRequest], model: LocalModel, provider: str) -> tuple[Question, Telling]:
    """Frames are passed on as they are where the caller wants a stream in this very format."""
    body = exchange.body_as(openai_chat.FORMAT)
    as_is = body is not None and exchange.stream
    fields = read_fields(
        body if body is not None else chat_request.encode(exchange.request, dropped=exchange.dropped)
    )
    question = chat_question(fields, model)
    return _tuned(question, as_is), PassOn(openai_chat.FORMAT) if as_is else Decode(ChatDecoder(provider))


def completion(
    exchange: Exchange[CompletionRequest], model: LocalModel, provider: str
) -> tuple[Question, Telling]:
    body = exchange.body_as(openai_completions.FORMAT)
    as_is = body is not None and exchange.stream
    fields = read_fields(
        body if body is not None else completion_request.encode(exchange.request, dropped=exchange.dropped)
    )
    question = completion_question(fields, model)
    return _tuned(question, as_is), PassOn(openai_completions.FORMAT) if as_is else Decode(
        CompletionDecoder(provider)
    )


def _tuned(question: Question, as_is: bool) -> Question:
    """Only a caller who gets the frames needs the figures among them: the others have the event."""
    return question if as_is else msgspec.structs.replace(question, wants_usage=False)


async def answer(
    engine: Engine,
    operation: Operation,
    question: Question,
    telling: Telling,
    *,
    source: Source,
    release: Callable[[], None],
) -> EventStream:
    """Waits for a slot and for the first words. `release` is called once, whatever happens."""
    try:
        channel = await engine.generate(operation, question.body)
    except BaseException as error:
        release()
        if isinstance(error, EngineClosed):
            raise left(source) from None
        raise
    frames = Frames(question, provider=source.provider, model=source.model, window=source.window)
    stream = Answer(channel, frames, telling, release, provider=source.provider, model=source.model)
    await stream.begin()
    return stream


def embedding(exchange: Exchange[EmbeddingRequest], model: LocalModel) -> bytes:
    """The question in llama.cpp's terms, which are OpenAI's."""
    body = exchange.body_as(openai_embeddings.FORMAT)
    if body is not None:
        return embedding_body(read_fields(body), model)
    request = exchange.request
    fields: dict[str, Any] = {"input": request.inputs, "dimensions": request.dimensions}
    return embedding_body(fields, model)


async def read(engine: Engine, mode: Reading, body: bytes, source: Source) -> bytes:
    """llama.cpp's answer. Raises PlatformError."""
    try:
        return await engine.read(mode, body)
    except EngineClosed:
        raise left(source) from None
    except Exception as error:
        raise failures.from_exception(error, provider=source.provider, model=source.model) from None


class _Count(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0


class _Envelope(msgspec.Struct, frozen=True):
    """An answer without its vectors."""

    usage: _Count = _Count()
    error: dict[str, Any] | None = None


def vectors(exchange: Exchange[EmbeddingRequest], body: bytes, source: Source) -> EventStream:
    """Raises PlatformError when `body` is a refusal."""
    envelope = msgspec.json.decode(body, type=_Envelope)
    if envelope.error is not None:
        raise failures.from_answer(
            envelope.error, provider=source.provider, model=source.model, window=source.window
        )
    if exchange.body_as(openai_embeddings.FORMAT) is None:
        return Whole([openai_embeddings.decode_response(body, source.provider)])
    usage = Usage(input_tokens=envelope.usage.prompt_tokens)
    return Whole([Opaque(openai_embeddings.FORMAT, body, whole=True), UsageReported(usage=usage)])


def left(source: Source) -> PlatformError:
    """The model went while the request waited for a slot."""
    return UpstreamUnavailable(
        f"The local model '{source.model}' has left memory; try again.", provider=source.provider, retry_after=1.0
    )
