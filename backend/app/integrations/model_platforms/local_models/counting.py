"""How many tokens a chat request is to a model: by its own template and tokenizer, with nothing written.

llama.cpp tells the length of a prompt before it reads it, or refuses one that is too long with its length. So the
question is asked and given up at once; what a slot has of an earlier prompt with the same beginning stays there.
"""

from typing import Any

import msgspec

from app.domain.chat import ChatRequest
from app.domain.errors import UpstreamUnavailable
from app.domain.exchange import Exchange
from app.integrations.model_platforms.local_models import failures, inference
from app.integrations.model_platforms.local_models.engine import Engine, EngineClosed
from app.integrations.model_platforms.local_models.inference import Source
from app.integrations.model_platforms.local_models.questions import chat_question, read_fields
from app.integrations.model_platforms.local_models.registry import LocalModel
from app.wire import openai_chat
from app.wire.openai_chat import request as chat_request


class _Progress(msgspec.Struct, frozen=True):
    total: int


class _First(msgspec.Struct, frozen=True):
    """What comes first: the prompt's length, or a refusal."""

    prompt_progress: _Progress | None = None
    error: dict[str, Any] | None = None


def question(exchange: Exchange[ChatRequest], model: LocalModel) -> bytes:
    """As it would be asked, for one answer. Raises UnsupportedFeature, InvalidRequest."""
    body = exchange.body_as(openai_chat.FORMAT)
    fields = read_fields(body if body is not None else chat_request.encode(exchange.request))
    return chat_question(fields | {"n": 1}, model).body


async def prompt_tokens(engine: Engine, question: bytes, source: Source) -> int:
    """Also of a prompt that is too long for the model. Raises PlatformError."""
    try:
        channel = await engine.generate("chat", question)
    except EngineClosed:
        raise inference.left(source) from None
    try:
        chunks = await channel.take()
    except Exception as error:
        raise failures.from_exception(error, provider=source.provider, model=source.model) from None
    finally:
        channel.close()
    return _length(chunks[0], source) if chunks else _unknown(source)
