"""Names of models that the configuration speaks of, beside those that it defines."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from app.settings.origins import FieldPath

if TYPE_CHECKING:
    from app.settings.schema import Settings

_FALLBACKS = ("fallbacks", "context_fallbacks", "content_fallbacks")


def mentioned(settings: "Settings") -> Iterator[tuple[FieldPath, str]]:
    """What aliases and fallbacks name, and where."""
    for alias, name in settings.aliases.items():
        yield ("aliases", alias), name
    for index, name in enumerate(settings.routing.fallbacks):
        yield ("routing", "fallbacks", index), name
    for model, wanted in settings.models.items():
        for field in _FALLBACKS:
            for index, name in enumerate(getattr(wanted, field)):
                yield ("models", model, field, index), name


def way_of(alias: str, aliases: Mapping[str, str], models: Container[str]) -> Sequence[str]:
    """Where it leads, by way of aliases of aliases; a circle ends with a name that stands in it already. A model
    hides an alias of the same name.
    """
    way = [alias]
    while way[-1] in aliases and way[-1] not in models and way[-1] not in way[:-1]:
        way.append(aliases[way[-1]])
    return way
