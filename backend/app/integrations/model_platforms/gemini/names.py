"""Model names: which can go into an address, and what they tell."""

import re

from app.domain.errors import ModelNotFound

# A name becomes part of a path, so nothing may stand in it that means something there.
_NAME = re.compile(r"(?:(?:models|tunedModels)/)?[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_GENERATION = re.compile(r"gemini-(\d+)(?:\.(\d+))?\b")
_PREFIX = "models/"


def resource(model: str, provider: str) -> str:
    """`models/gemini-2.5-flash` for `gemini-2.5-flash`. Raises ModelNotFound for what can't be a name."""
    if not _NAME.fullmatch(model):
        raise not_found(provider, model)
    return model if "/" in model else _PREFIX + model


def bare(resource: str) -> str:
    return resource.removeprefix(_PREFIX)


def is_at_least(model: str, generation: tuple[int, int]) -> bool:
    """Of a bare name; false where it tells no generation (gemini-flash-latest, gemma)."""
    found = _GENERATION.match(model)
    return found is not None and (int(found[1]), int(found[2] or 0)) >= generation


def not_found(provider: str, model: str) -> ModelNotFound:
    return ModelNotFound(
        f"'{provider}' has no model '{model[:128]}' that can be asked this. See its list of models.",
        code="model_not_found",
        param="model",
        provider=provider,
    )
