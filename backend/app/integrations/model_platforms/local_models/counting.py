"""How many tokens a chat request is to a model: by its own template and tokenizer, with nothing written.

llama.cpp tells the length of a prompt before it reads it, and that of one too long as it refuses it. So the
question is asked as ever, waiting for a slot as ever, and given up at once.
"""

from typing import Any

import msgspec

from app.integrations.model_platforms.local_models import failures, inference
from app.integrations.model_platforms.local_models.engine import Engine, EngineClosed
from app.integrations.model_platforms.local_models.inference import Source
from app.integrations.model_platforms.local_models.questions import Question


class _Progress(msgspec.Struct, frozen=True):
    total: int


class _First(msgspec.Struct, frozen=True):
    """What llama.cpp says first. `error`: its refusal."""

    prompt_progress: _Progress | None = None
    error: dict[str, Any] | None = None


async def prompt_tokens(engine: Engine, question: Question, source: Source) -> int:
    """The `prompt_tokens` that an answer would report, or those of a prompt too long. Raises PlatformError."""
    try:
        channel = await engine.glance(question.body)
    except EngineClosed:
        raise inference.left(source) from None
    try:
        chunks = await channel.take()
    except Exception as error:
        raise failures.from_exception(error, provider=source.provider, model=source.model) from None
    finally:
        channel.close()
    return _length(msgspec.json.decode(chunks[0], type=_First) if chunks else _First(), source)


def _length(first: _First, source: Source) -> int:
    if first.prompt_progress is not None:
        return first.prompt_progress.total
    length = (first.error or {}).get("n_prompt_tokens")
    if isinstance(length, int):
        return length
    raise failures.from_answer(first.error, provider=source.provider, model=source.model, window=source.window)
