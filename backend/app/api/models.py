"""What front-ends say of a model, and which integration has it when it is to be fetched, dropped or loaded."""

from typing import TypeVar

from app.api.context import ApiContext
from app.domain.errors import InvalidRequest, ModelNotFound
from app.domain.ports import ModelSource, ModelStore
from app.inference.entry import ModelEntry

Port = TypeVar("Port", bound=ModelSource)


def owner(context: ApiContext, name: str, port: type[Port]) -> tuple[Port, str]:
    """The serving integration that offers `port` for `name`, and the name it uses itself.

    `integration/model` names it outright; a bare name goes to the one that knows it, or to the only one there is.
    Raises ModelNotFound, InvalidRequest.
    """
    able = context.manager.providing(port)
    prefix, _, rest = name.partition("/")
    for source in able:
        if source.name == prefix and rest:
            return source, rest
    knowing = [source for source in able if any(model.id == name for model in source.models())]
    if knowing:
        return knowing[0], name
    if port is ModelStore and len(able) == 1:
        return able[0], name
    names = ", ".join(source.name for source in able)
    if not able:
        raise InvalidRequest(
            "No integration that can do this is serving now; Ollama can, once OLLAMA_BASE_URL names it. "
            "GET /integrations/status tells how each is.",
            param="model",
        )
    raise ModelNotFound(
        f"The model '{name[:200]}' is not known to {names}. Write it as 'integration/model'.",
        code="model_not_found",
        param="model",
    )


def model_status(entry: ModelEntry) -> str:
    """loaded; unloaded (its next use loads it); available (memory not seen); unavailable (none serves it)."""
    if not entry.serving:
        return "unavailable"
    loaded = entry.known.loaded if entry.known else None
    if loaded is None:
        return "available"
    return "loaded" if loaded else "unloaded"
